#include "profiler/classify/launch_evidence.h"

#include <fmt/format.h>

#include <utility>

#include "profiler/classify/kernel_name.h"

namespace rooftop {
namespace {

// Ranges nest this deep in PyTorch with module frames; a cycle of parents ends here too.
constexpr int kDeepest = 64;
// What is remembered per name or shape; beyond it, only a broken trace is slower.
constexpr std::size_t kMostRemembered = std::size_t{1} << 18;

template <typename Map>
void forget_if_full(Map& map) {
  if (map.size() >= kMostRemembered) map.clear();
}

// Without the number of the instance that PyTorch appends to a module's class: one rule for all.
std::string shown(std::string_view name) {
  std::string_view text = name.substr(0, 80);
  if (!text.starts_with("nn.Module: ")) return std::string(text);
  const auto end = text.find_last_not_of("0123456789");
  if (end != std::string_view::npos && text[end] == '_') text = text.substr(0, end);
  return std::string(text);
}

}  // namespace

void ForeignScopes::add(std::span<const ScopeRecord> scopes) {
  for (const ScopeRecord& scope : scopes) {
    if (scope.kind != ScopeKind::kForeign) continue;
    const Scope facts{.parent = scope.parent, .name = scope.name, .args = scope.args};
    if (!scopes_.emplace(scope.id, facts).second) continue;
    order_.push_back(scope.id);
    if (order_.size() <= most_) continue;
    scopes_.erase(order_.front());
    order_.pop_front();
    ++forgotten_;
  }
}

const ForeignScopes::Scope* ForeignScopes::find(ScopeId id) const {
  const auto it = scopes_.find(id);
  return it == scopes_.end() ? nullptr : &it->second;
}

EvidenceReader::EvidenceReader(const KernelRules& rules, const ForeignScopes& scopes,
                               Strings strings)
    : rules_(rules), scopes_(scopes), strings_(std::move(strings)) {}

const RangeMeaning& EvidenceReader::meaning(StringId name) {
  const auto it = meanings_.find(name);
  if (it != meanings_.end()) return it->second;
  forget_if_full(meanings_);
  return meanings_[name] = meaning_of_range(strings_(name));
}

const KernelRule* EvidenceReader::rule_of(StringId name) {
  const auto it = names_.find(name);
  if (it != names_.end()) return it->second;
  forget_if_full(names_);
  return names_[name] = rules_.find(normalised_kernel_name(strings_(name)));
}

const std::vector<TensorShape>& EvidenceReader::shapes(StringId args) {
  const auto it = shapes_.find(args);
  if (it != shapes_.end()) return it->second;
  forget_if_full(shapes_);
  return shapes_[args] = parse_shapes(strings_(args));
}

void EvidenceReader::read_shapes(std::string_view name, StringId args, const RangeMeaning& meaning,
                                 Evidence& evidence) {
  if (args == 0) return;
  const std::vector<TensorShape>& tensors = shapes(args);
  if (meaning.product && !evidence.product) evidence.product = product_shape(name, tensors);
  // An outer operator of attention knows its arguments in the model's own layout.
  if (meaning.attention) {
    if (auto call = attention_call(name, tensors)) evidence.attention = call;
  }
  if (name.ends_with("::embedding") && tensors.size() >= 2) {
    evidence.embedding_table = tensors[0];
    evidence.embedding_ids = tensors[1];
  }
}

void EvidenceReader::read_ranges(ScopeId scope, Evidence& evidence) {
  ScopeId id = scope;
  bool loose = true;
  for (int depth = 0; id != 0 && depth < kDeepest; ++depth) {
    const ForeignScopes::Scope* range = scopes_.find(id);
    if (range == nullptr) {
      evidence.root = id;
      return;
    }
    const std::string_view name = strings_(range->name);
    const RangeMeaning meaning = this->meaning(range->name);
    const OperatorSet both = evidence.operators & meaning.operators;
    // What is nearer to the launch knows better.
    if (both != 0 && both != evidence.operators) {
      evidence.operators = both;
      if (only(both) != Operator::kUnclassified) evidence.rule = "range " + shown(name);
    }
    if (evidence.layer < 0) evidence.layer = meaning.layer;
    evidence.training = evidence.training || meaning.training;
    evidence.from_product = evidence.from_product || meaning.product;
    evidence.from_attention = evidence.from_attention || meaning.attention;
    // Of nested ones the outermost is the step, but for the profiler's own iterations.
    if (meaning.step && (loose || !meaning.iteration)) {
      evidence.marker = id;
      loose = loose && meaning.iteration;
    }
    read_shapes(name, range->args, meaning, evidence);
    id = range->parent;
  }
}

Evidence EvidenceReader::read(const SeenLaunch& launch) {
  Evidence evidence;
  read_ranges(launch.scope, evidence);
  if (launch.launch_scope != 0) {
    Evidence around;
    read_ranges(launch.launch_scope, around);
    evidence.root = around.root;
    evidence.marker = around.marker;
  }
  if (launch.copy) {
    evidence.operators = set_of(Operator::kMemcpy);
    evidence.rule = "memcpy";
    return evidence;
  }
  const KernelRule* rule = rule_of(launch.name);
  if (rule == nullptr) {
    // The kernel of an operator that is one product is that product, whatever its name.
    if (evidence.from_product && !evidence.from_attention &&
        (evidence.operators & kProducts) != 0) {
      evidence.operators &= kProducts;
      evidence.named = true;
    } else if (evidence.from_attention && contains(evidence.operators, Operator::kQkPv)) {
      evidence.operators = set_of(Operator::kQkPv);
      evidence.rule = "range of attention";
    }
    return evidence;
  }
  evidence.named = true;
  evidence.training = evidence.training || rule->family == "training";
  evidence.companion = rule->companion;
  evidence.gated = rule->gated;
  evidence.sum = contains(rule->operators, Operator::kResidual);
  evidence.phase = rule->phase;
  if (rule->query_blocks && launch.grid_x > 1) evidence.phase = Phase::kInit;
  const bool decided = only(evidence.operators) != Operator::kUnclassified;
  const OperatorSet both = evidence.operators & rule->operators;
  if (both == 0) return evidence;
  evidence.operators = both;
  if (!decided && only(both) != Operator::kUnclassified) {
    evidence.rule = "name " + rule->pattern;
  }
  return evidence;
}

RangeMeaning EvidenceReader::marker(ScopeId id) {
  const ForeignScopes::Scope* range = scopes_.find(id);
  return range == nullptr ? RangeMeaning{} : meaning(range->name);
}

std::vector<std::string> EvidenceReader::ranges(ScopeId scope) const {
  std::vector<std::string> names;
  ScopeId id = scope;
  for (int depth = 0; id != 0 && depth < kDeepest; ++depth) {
    const ForeignScopes::Scope* range = scopes_.find(id);
    if (range == nullptr) break;
    names.push_back(fmt::format("{}{}{}", strings_(range->name), range->args == 0 ? "" : " ",
                                strings_(range->args)));
    id = range->parent;
  }
  return names;
}

}  // namespace rooftop
