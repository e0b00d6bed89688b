// One launch in the search for structure: what it may be, and what was decided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "profiler/classify/kernel_rules.h"
#include "profiler/core/operator.h"
#include "profiler/core/time.h"

namespace rooftop {

// The sentences that say what decided, each kept once. 0 is the empty one.
class RuleTexts {
 public:
  using Id = std::uint32_t;
  RuleTexts() { intern(""); }
  Id intern(const std::string& text) {
    const auto [it, inserted] = ids_.try_emplace(text, static_cast<Id>(texts_.size()));
    if (inserted) texts_.push_back(&it->first);
    return it->second;
  }
  [[nodiscard]] const std::string& text(Id id) const { return *texts_[id]; }

 private:
  std::unordered_map<std::string, Id> ids_;
  std::vector<const std::string*> texts_;  // keys of the map stay where they are
};

struct Token {
  OperatorSet operators = kAnyOperator;
  Timestamp begin;
  Timestamp end;
  RuleTexts::Id rule = 0;
  std::uint32_t stream = 0;
  std::uint32_t marker = 0;  // which step its ranges name; 0: none
  std::int32_t layer = -1;
  std::int32_t product = -1;    // index of its shape among the trace's, or -1
  std::int32_t attention = -1;  // likewise
  std::int32_t embedding = -1;
  Operator op = Operator::kUnclassified;  // what was decided
  Phase phase = Phase::kUnknown;
  bool named = false;
  bool companion = false;
  bool gated = false;
  bool sum = false;  // by its name it may add a residual: a sum of two tensors
  bool training = false;
  bool memset = false;
  bool copy = false;
  // Another launch of the same operator carries its closed form.
  bool part = false;

  [[nodiscard]] bool decided() const { return op != Operator::kUnclassified; }
  [[nodiscard]] bool is_product() const {
    return !companion && operators != 0 && (operators & ~kProducts) == 0;
  }
  // Ends what stands before it: products on its two sides serve different parts of a layer.
  [[nodiscard]] bool separates() const { return op == Operator::kNorm || op == Operator::kComm; }
  void decide(Operator what, RuleTexts::Id why) {
    op = what;
    rule = why;
  }
};

struct TokenRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

}  // namespace rooftop
