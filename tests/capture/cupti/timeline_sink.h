// Where a timeline's records go in tests: memory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture::testing {

class MemorySink : public RecordSink {
 public:
  StringId intern(std::string_view text) override {
    if (text.empty()) return 0;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (texts_[i] == text) return static_cast<StringId>(i + 1);
    }
    texts_.emplace_back(text);
    return static_cast<StringId>(texts_.size());
  }
  KernelId next_kernel() override { return ++last_kernel_; }
  void add(const KernelRecord& record) override { kernels.push_back(record); }
  void add(const CounterRecord& /*record*/) override {}
  void add(const SampleRecord& /*record*/) override {}
  void add(const MemcpyRecord& record) override { copies.push_back(record); }
  void add(const DropRecord& record) override { drops.push_back(record); }

  [[nodiscard]] std::string text(StringId id) const { return id == 0 ? "" : texts_.at(id - 1); }
  [[nodiscard]] std::size_t interned() const { return texts_.size(); }
  [[nodiscard]] const KernelRecord& kernel(std::uint64_t correlation) const {
    for (const KernelRecord& k : kernels) {
      if (k.correlation == correlation) return k;
    }
    static const KernelRecord none;
    return none;
  }

  std::vector<KernelRecord> kernels;
  std::vector<MemcpyRecord> copies;
  std::vector<DropRecord> drops;

 private:
  std::vector<std::string> texts_;
  KernelId last_kernel_ = 0;
};

}  // namespace rooftop::capture::testing
