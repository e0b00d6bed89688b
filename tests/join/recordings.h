// Small recordings of steps for the tests of the join: kernels named by their letters, "abca" is a
// step of four launches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/core/records.h"
#include "profiler/trace/writer.h"

namespace rooftop::join {

// A decode step of batch 1 at the given length.
ScopeRecord decode_step(std::uint32_t length);

class Recording {
 public:
  explicit Recording(std::string_view capture = "timeline", const std::string& device = "Some GPU");
  ~Recording();  // removes the file
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // One launch after the other, 10 ns each, in the scope of the step; their ids, in order.
  std::vector<KernelId> step(std::uint32_t length, std::string_view kernels,
                             std::uint32_t flags = 0, Operator op = Operator::kUnclassified);
  // Launches outside any step.
  std::vector<KernelId> launches(std::string_view kernels, ScopeId scope = 0);
  void counter(KernelId kernel, std::string_view metric, double value,
               Provenance source = Provenance::kMeasured);

  trace::Writer& writer() { return writer_; }
  ScopeId next_scope() { return ++scopes_; }
  // Finishes the file.
  const std::string& path();

 private:
  std::string path_;
  trace::Writer writer_;
  ScopeId scopes_ = 0;
  KernelId kernels_ = 0;
  std::int64_t now_ = 1000;
  bool finished_ = false;
};

// What stands in a trace, in plain sight.
struct Contents {
  Meta meta;
  std::vector<ScopeRecord> scopes;
  std::vector<KernelRecord> kernels;
  std::vector<std::string> names;  // of the kernels
  struct Counter {
    KernelId kernel = 0;
    std::string metric;
    double value = 0;
    Provenance source = Provenance::kAbsent;
    bool operator==(const Counter&) const = default;
  };
  std::vector<Counter> counters;
  std::vector<SampleRecord> samples;
  std::vector<MemcpyRecord> memcpys;
  std::uint64_t drops = 0;

  [[nodiscard]] std::vector<Counter> of(KernelId kernel) const;
  [[nodiscard]] bool notes_contain(std::string_view text) const;
};
Contents contents(const std::string& path);

// A file name that no test has yet.
std::string scratch_path();

}  // namespace rooftop::join
