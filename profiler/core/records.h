// What a run leaves behind, as plain records: no CUDA, no protobuf. Capture makes them, trace files
// keep them, the report judges them. Facts only: class, series and roofs are found at report time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/operator.h"
#include "profiler/core/provenance.h"
#include "profiler/core/time.h"

namespace rooftop {

using StringId = std::uint32_t;  // index into the trace's string table; 0 is the empty string
using ScopeId = std::uint64_t;   // unique in a trace, counted from 1; 0 means none
using KernelId = std::uint64_t;  // unique in a trace, counted from 1; 0 means none

// Step flags.
// Kept in the trace, left out of every average: a warm-up; a step whose kernels were not recorded
// to keep within the overhead that a user allows.
inline constexpr std::uint32_t kStepWarmup = 1U << 0;
inline constexpr std::uint32_t kStepUntraced = 1U << 1;

enum class ScopeKind : std::uint8_t { kStep = 1, kOp = 2, kForeign = 3 };

// A range that the engine opened: a step (one forward pass) or an operator within it.
struct ScopeRecord {
  ScopeId id = 0;
  ScopeId parent = 0;  // the step of an op; the enclosing range of a foreign one; 0: none
  ScopeKind kind = ScopeKind::kForeign;
  Timestamp begin;
  Timestamp end;
  std::uint32_t thread = 0;  // OS thread id
  StringId name = 0;

  // Operators.
  Operator op = Operator::kUnclassified;
  std::int32_t layer = -1;       // -1: outside the layers
  std::uint64_t fused_mask = 0;  // bit i: Operator i is done by the same kernel, besides `op`

  // Steps. A batch whose sequences differ is described exactly by the sums.
  Phase phase = Phase::kUnknown;
  std::uint32_t flags = 0;
  std::uint32_t batch = 0;         // sequences
  std::uint32_t query_tokens = 0;  // new tokens per sequence (the mean, rounded, where they differ)
  std::uint32_t length = 0;        // keys seen per sequence, new tokens included (likewise)
  std::uint64_t total_query_tokens = 0;  // sum over sequences of s_q = rows of the linear layers
  std::uint64_t total_keys = 0;          // sum of L
  std::uint64_t attention_pairs = 0;     // sum of s_q * L
  std::uint64_t causal_pairs =
      0;  // sum of pairs that a causal mask keeps: s_q * L - s_q * (s_q - 1) / 2
  std::uint32_t logit_rows = 0;  // rows that the language-model head computes

  // Foreign ranges: what else their recorder knew. Of an operator its inputs' sizes and types,
  // "[16,559,1024]bf16[2816,1024]bf16": one bracket an input, empty for what is no tensor (left out
  // at the end), "{[1,5][2,5]}" for a list of tensors, the type only where it is known.
  StringId args = 0;
};

// One launch. On a CPU device an operator's run is the launch, and its scope's interval its time.
struct KernelRecord {
  KernelId id = 0;
  std::uint32_t device = 0;  // index into Meta::devices
  std::uint32_t stream = 0;  // CUDA stream; the OS thread on a CPU
  Timestamp begin;
  Timestamp end;
  StringId name = 0;
  std::array<std::uint32_t, 3> grid{};  // 0,0,0 where there is none (CPU)
  std::array<std::uint32_t, 3> block{};
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint32_t static_shared_bytes = 0;
  std::uint32_t registers_per_thread = 0;
  std::uint64_t correlation = 0;
  std::uint64_t graph_node = 0;  // 0: not from a graph
  ScopeId scope = 0;             // the innermost scope it ran in
  // The innermost scope around the launch itself where that is another one: a graph's kernel ran in
  // the scope that was open when its node was captured, and belongs to the step around the launch.
  ScopeId launch_scope = 0;
};

// A hardware counter of one launch. A counter that was not read has no record: absent is never
// zero.
struct CounterRecord {
  KernelId kernel = 0;
  StringId metric = 0;  // e.g. "dram__bytes_read.sum"
  double value = 0;
  Provenance source = Provenance::kMeasured;
};

// A periodic sample of a device-wide counter.
struct SampleRecord {
  std::uint32_t device = 0;
  Timestamp begin;
  Timestamp end;
  StringId metric = 0;
  double value = 0;
};

enum class MemcpyKind : std::uint8_t {
  kOther = 0,
  kHostToDevice = 1,
  kDeviceToHost = 2,
  kDeviceToDevice = 3,
  kMemset = 4
};

struct MemcpyRecord {
  std::uint32_t device = 0;
  std::uint32_t stream = 0;
  Timestamp begin;
  Timestamp end;
  std::uint64_t bytes = 0;
  MemcpyKind kind = MemcpyKind::kOther;
  std::uint64_t correlation = 0;
  std::uint64_t graph_node = 0;
  ScopeId scope = 0;
};

// Records that were lost, and where. A report shows the sum.
struct DropRecord {
  Timestamp when;
  StringId source = 0;  // "scope ring", "CUPTI activity", ...
  std::uint64_t count = 0;
};

}  // namespace rooftop
