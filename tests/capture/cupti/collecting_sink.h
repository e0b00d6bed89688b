// Records of a source, kept for a look.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture::testing {

struct CollectingSink : RecordSink {
  std::vector<KernelRecord> kernels;
  std::vector<CounterRecord> counters;
  std::vector<SampleRecord> samples;
  std::vector<MemcpyRecord> copies;
  std::vector<DropRecord> drops;
  std::vector<std::string> strings{""};

  StringId intern(std::string_view text) override {
    const auto [it, fresh] = ids_.emplace(std::string(text), static_cast<StringId>(strings.size()));
    if (fresh) strings.emplace_back(text);
    return it->second;
  }
  KernelId next_kernel() override { return ++last_kernel_; }
  void add(const KernelRecord& record) override { kernels.push_back(record); }
  void add(const CounterRecord& record) override { counters.push_back(record); }
  void add(const SampleRecord& record) override { samples.push_back(record); }
  void add(const MemcpyRecord& record) override { copies.push_back(record); }
  void add(const DropRecord& record) override { drops.push_back(record); }

  [[nodiscard]] const std::string& name_of(StringId id) const { return strings.at(id); }

 private:
  std::map<std::string, StringId> ids_{{"", 0}};
  KernelId last_kernel_ = 0;
};

}  // namespace rooftop::capture::testing
