// Launches -> (operator, phase, layer, step), from the scopes that the engine opened.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>

#include "profiler/classify/step_table.h"
#include "profiler/core/operator.h"
#include "profiler/core/records.h"

namespace rooftop {

// The operator that a launch belongs to, when its scope names other operators that the same kernel
// does: gate and up together are gate_up, with the activation gate_up_act, QK and PV are qk_pv, Q,
// K and V are qkv. Anything else fused in (a norm, RoPE, the cache write) leaves `op` as it is.
Operator fused_operator(Operator op, std::uint64_t fused_mask);

struct Classification {
  Operator op = Operator::kUnclassified;
  std::int32_t layer = -1;
  std::optional<std::uint32_t> step;  // index into StepTable::steps()
  std::string_view rule;  // what decided: "scope", "memcpy"; empty for an unclassified launch
  // Another launch of the same operator carries the operator's closed form: the reduction of a
  // product that was split, a norm in several kernels.
  bool part = false;
};

// Knows the scopes that were added last, up to a fixed number, so that memory stays bounded: add
// each chunk of scopes as the trace is read, and classify launches once the scopes around them have
// been read too.
class ScopeClassifier {
 public:
  static constexpr std::size_t kDefaultWindow = std::size_t{1} << 18;

  // `steps` is complete, and outlives this object.
  explicit ScopeClassifier(const StepTable& steps, std::size_t window = kDefaultWindow);

  void add(std::span<const ScopeRecord> scopes);

  // A kernel that ran from `begin` to `end` in the given scope (0: none). A launch without a scope,
  // or whose scope was lost, belongs to the step that was open when it began; a launch whose scope
  // lies in a step that is not in the trace (the process was killed within it) belongs to none.
  [[nodiscard]] Classification kernel(ScopeId scope, Timestamp begin, Timestamp end) const;
  // The same for a whole record. What a graph's kernel does is said by the scope that was open when
  // its node was captured, which step it belongs to by the scope around the launch of the graph. An
  // answer is remembered by graph node, since a graph is replayed long after its capture's scopes
  // have left the window.
  [[nodiscard]] Classification kernel(const KernelRecord& record);
  // The same for a copy, whose operator is memcpy wherever it happens. A graph's copy belongs to
  // the step that was open when it began.
  [[nodiscard]] Classification memcpy(const KernelRecord& record) const;

 private:
  struct Scope {
    ScopeId parent = 0;
    Operator op = Operator::kUnclassified;
    std::int32_t layer = -1;
  };

  struct Operation {
    Operator op = Operator::kUnclassified;
    std::int32_t layer = -1;
  };

  const StepTable& steps_;
  std::size_t window_;
  std::unordered_map<std::uint64_t, Operation> graph_nodes_;
  std::unordered_map<ScopeId, Scope> scopes_;
  std::deque<ScopeId> order_;  // oldest first
};

}  // namespace rooftop
