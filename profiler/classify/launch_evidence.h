// What is known of one launch before its neighbours are looked at: its name, and the ranges around
// it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiler/classify/kernel_rules.h"
#include "profiler/classify/range_meaning.h"
#include "profiler/core/records.h"

namespace rooftop {

// The foreign ranges of a trace, the oldest forgotten beyond a fixed number.
class ForeignScopes {
 public:
  static constexpr std::size_t kDefaultMost = std::size_t{1} << 22;
  explicit ForeignScopes(std::size_t most = kDefaultMost) : most_(most) {}

  struct Scope {
    ScopeId parent = 0;
    StringId name = 0;
    StringId args = 0;
  };

  void add(std::span<const ScopeRecord> scopes);
  [[nodiscard]] const Scope* find(ScopeId id) const;
  [[nodiscard]] std::size_t size() const { return scopes_.size(); }
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }

 private:
  std::size_t most_;
  std::unordered_map<ScopeId, Scope> scopes_;
  std::deque<ScopeId> order_;
  std::uint64_t forgotten_ = 0;
};

// A launch that no scope of ours names, as much of it as the search for structure needs.
struct SeenLaunch {
  Timestamp begin;
  Timestamp end;
  ScopeId scope = 0;
  ScopeId launch_scope = 0;
  StringId name = 0;
  std::uint32_t device = 0;
  std::uint32_t stream = 0;
  std::uint32_t grid_x = 0;
  bool copy = false;
  bool memset = false;
};

struct Evidence {
  OperatorSet operators = kAnyOperator;  // what it may be
  bool named = false;                    // a rule of the table knows the kernel's name
  std::string rule;                      // what decided, where one operator is left
  bool companion = false;
  bool gated = false;
  bool sum = false;
  bool from_product = false;    // a range launches a matrix product
  bool from_attention = false;  // a range is attention as a whole
  bool training = false;
  Phase phase = Phase::kUnknown;
  std::int32_t layer = -1;
  ScopeId root = 0;    // the outermost scope, when it is no foreign one: a step of ours
  ScopeId marker = 0;  // an engine's annotation of a step
  std::optional<ProductShape> product;
  std::optional<AttentionCall> attention;
  std::optional<TensorShape> embedding_table;
  std::optional<TensorShape> embedding_ids;

  [[nodiscard]] bool is_product() const { return operators != 0 && (operators & ~kProducts) == 0; }
};

// Weighs the signals: ranges before names; where they agree on one operator, that is it.
class EvidenceReader {
 public:
  using Strings = std::function<std::string_view(StringId)>;

  EvidenceReader(const KernelRules& rules, const ForeignScopes& scopes, Strings strings);

  [[nodiscard]] Evidence read(const SeenLaunch& launch);
  // The names of the ranges around a launch, the innermost first, with their arguments.
  [[nodiscard]] std::vector<std::string> ranges(ScopeId scope) const;
  // The meaning of a marker.
  [[nodiscard]] RangeMeaning marker(ScopeId id);
  [[nodiscard]] const RangeMeaning& meaning(StringId name);
  [[nodiscard]] const KernelRule* rule_of(StringId name);

 private:
  void read_ranges(ScopeId scope, Evidence& evidence);
  void read_shapes(std::string_view name, StringId args, const RangeMeaning& meaning,
                   Evidence& evidence);
  const std::vector<TensorShape>& shapes(StringId args);

  const KernelRules& rules_;
  const ForeignScopes& scopes_;
  Strings strings_;
  std::unordered_map<StringId, RangeMeaning> meanings_;
  std::unordered_map<StringId, const KernelRule*> names_;
  std::unordered_map<StringId, std::vector<TensorShape>> shapes_;
};

}  // namespace rooftop
