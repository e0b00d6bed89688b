// Writes small traces for tests: steps, operators within them and their launches, at times in
// nanoseconds that a test can add up by hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/core/records.h"
#include "profiler/trace/writer.h"

namespace rooftop {

// A Llama of one layer with small, different dimensions: h 8, n 4, g 2, d 2, i 12, V 20.
ModelShape tiny_model();

// A CPU run of tiny_model() in f32 with measured roofs: 10 GB/s and 100 GFLOP/s.
Meta tiny_meta();

struct StepFacts {
  Phase phase = Phase::kAr;
  std::uint32_t batch = 1;
  std::uint32_t query_tokens = 1;
  std::uint32_t length = 8;
  bool warmup = false;
};

class TraceBuilder {
 public:
  explicit TraceBuilder(const Meta& meta = tiny_meta());
  ~TraceBuilder();  // removes the file
  TraceBuilder(const TraceBuilder&) = delete;
  TraceBuilder& operator=(const TraceBuilder&) = delete;

  // The id of a step that is written with end_step() (its record follows its launches, as in life).
  ScopeId begin_step(const StepFacts& facts, std::int64_t begin);
  void end_step(ScopeId step, std::int64_t end);

  // A launch in an operator's scope, both from begin to end.
  KernelId op(ScopeId step, Operator op, std::int32_t layer, std::int64_t begin, std::int64_t end,
              std::uint32_t device = 0);
  // A launch in any scope (0: none).
  KernelId kernel(ScopeId scope, std::int64_t begin, std::int64_t end, std::uint32_t device = 0,
                  std::string_view name = "kernel");
  void memcpy(ScopeId scope, MemcpyKind kind, std::uint64_t bytes, std::int64_t begin,
              std::int64_t end);
  void counter(KernelId kernel, std::string_view metric, double value,
               Provenance source = Provenance::kMeasured);
  void drop(std::uint64_t count);

  trace::Writer& writer() { return writer_; }
  ScopeId next_scope() { return ++scopes_; }
  KernelId next_kernel() { return ++kernels_; }

  // Finishes the file.
  const std::string& path();

 private:
  std::string path_;
  trace::Writer writer_;
  ScopeId scopes_ = 0;
  KernelId kernels_ = 0;
  std::vector<ScopeRecord> open_;
  bool finished_ = false;
};

// All the bytes of a file.
std::string file_text(const std::string& path);

}  // namespace rooftop
