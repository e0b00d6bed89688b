#include "profiler/classify/scope_classifier.h"

namespace rooftop {
namespace {

constexpr std::uint64_t bit(Operator op) {
  const auto index = static_cast<unsigned>(op);
  return index < 64 ? std::uint64_t{1} << index : 0;
}

struct Fusion {
  std::uint64_t parts;
  Operator whole;
};

// The larger of two fusions that share a part comes first.
constexpr Fusion kFusions[] = {
    {bit(Operator::kQ) | bit(Operator::kK) | bit(Operator::kV), Operator::kQkv},
    {bit(Operator::kGate) | bit(Operator::kUp) | bit(Operator::kActivation), Operator::kGateUpAct},
    {bit(Operator::kGateUp) | bit(Operator::kActivation), Operator::kGateUpAct},
    {bit(Operator::kGate) | bit(Operator::kUp), Operator::kGateUp},
    {bit(Operator::kQk) | bit(Operator::kPv), Operator::kQkPv},
};

}  // namespace

Operator fused_operator(Operator op, std::uint64_t fused_mask) {
  const std::uint64_t done = bit(op) | fused_mask;
  for (const Fusion& fusion : kFusions) {
    if ((bit(op) & fusion.parts) != 0 && (done & fusion.parts) == fusion.parts) {
      return fusion.whole;
    }
  }
  return op;
}

ScopeClassifier::ScopeClassifier(const StepTable& steps, std::size_t window)
    : steps_(steps), window_(window) {}

void ScopeClassifier::add(std::span<const ScopeRecord> scopes) {
  for (const ScopeRecord& scope : scopes) {
    if (scope.kind == ScopeKind::kStep) continue;  // in the step table
    Scope facts{.parent = scope.parent};
    // Values that this version does not know come from a newer one, or from damage.
    if (scope.kind == ScopeKind::kOp && static_cast<int>(scope.op) < kOperatorCount) {
      facts.op = fused_operator(scope.op, scope.fused_mask);
      facts.layer = scope.layer;
    }
    if (!scopes_.emplace(scope.id, facts).second) continue;
    order_.push_back(scope.id);
    if (order_.size() > window_) {
      scopes_.erase(order_.front());
      order_.pop_front();
    }
  }
}

Classification ScopeClassifier::kernel(ScopeId scope, Timestamp begin, Timestamp end) const {
  // Foreign ranges may lie between an operator and its launch; a cycle of parents ends here too.
  constexpr int kDeepest = 64;
  Classification result;
  ScopeId id = scope;
  for (int depth = 0; id != 0 && depth < kDeepest; ++depth) {
    const auto it = scopes_.find(id);
    if (it == scopes_.end()) {
      result.step = steps_.find(id);
      if (result.step) return result;
      // The parent of a known scope is missing: a step that never ended. Else the launch's own
      // scope was lost, and the time of the launch is what is left to go by.
      if (depth > 0) return result;
      break;
    }
    if (it->second.op != Operator::kUnclassified && result.rule.empty()) {
      result.op = it->second.op;
      result.layer = it->second.layer;
      result.rule = "scope";
    }
    id = it->second.parent;
  }
  result.step = steps_.at(begin, end);
  return result;
}

Classification ScopeClassifier::kernel(const KernelRecord& record) {
  // More nodes than any process keeps alive; only a broken trace has more.
  constexpr std::size_t kMostGraphNodes = std::size_t{1} << 20;
  Classification result = kernel(record.scope, record.begin, record.end);
  if (record.graph_node != 0) {
    const bool known = !result.rule.empty();
    if (known && graph_nodes_.size() < kMostGraphNodes) {
      graph_nodes_[record.graph_node] = {.op = result.op, .layer = result.layer};
    }
    const auto it = known ? graph_nodes_.end() : graph_nodes_.find(record.graph_node);
    if (it != graph_nodes_.end()) {
      result.op = it->second.op;
      result.layer = it->second.layer;
      result.rule = "scope";
    }
  }
  if (record.launch_scope != 0) {
    result.step = kernel(record.launch_scope, record.begin, record.end).step;
  }
  return result;
}

Classification ScopeClassifier::memcpy(const KernelRecord& record) const {
  // The scope of a graph's copy is that of its capture, whose step is over.
  const ScopeId around = record.graph_node == 0 ? record.scope : record.launch_scope;
  Classification result = kernel(around, record.begin, record.end);
  result.op = Operator::kMemcpy;
  result.rule = "memcpy";
  return result;
}

}  // namespace rooftop
