// What a kernel's name says about it: a table of patterns in a text file that a user extends.
// Format and limits: docs/classification.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/operator.h"

namespace rooftop {

// A set of operators: bit i is Operator i.
using OperatorSet = std::uint64_t;

constexpr OperatorSet set_of(Operator op) { return OperatorSet{1} << static_cast<unsigned>(op); }
constexpr OperatorSet operator|(Operator a, Operator b) { return set_of(a) | set_of(b); }
constexpr OperatorSet operator|(OperatorSet a, Operator b) { return a | set_of(b); }
constexpr bool contains(OperatorSet set, Operator op) { return (set & set_of(op)) != 0; }
// The operator of a set that holds just one; else unclassified.
Operator only(OperatorSet set);

inline constexpr OperatorSet kAnyOperator = (OperatorSet{1} << kOperatorCount) - 2;
// What a matrix product can be.
inline constexpr OperatorSet kProducts =
    Operator::kQkv | Operator::kQ | Operator::kK | Operator::kV | Operator::kGateUp |
    Operator::kGateUpAct | Operator::kGate | Operator::kUp | Operator::kDown | Operator::kQk |
    Operator::kPv | Operator::kOProj | Operator::kLmHead;

// One line of the file.
struct KernelRule {
  std::string pattern;  // of a normalised name; * stands for any text, ? for any character
  OperatorSet operators = 0;
  // Works for a product beside it, and is counted with it: the sum over the parts of a split
  // product.
  bool companion = false;
  Phase phase = Phase::kUnknown;  // which phase such a kernel speaks for
  // Its grid's first extent counts blocks of query rows: more than one means a prompt.
  bool query_blocks = false;
  // Of a product whose result the activation multiplies: gate and up in one.
  bool gated = false;
  std::string family;  // the file's section: "FlashAttention", ...
};

class KernelRules {
 public:
  static KernelRules built_in();

  // Lines of a user's file, which come before those that are there already. Throws InputError with
  // the number of the line.
  void load_user_file(const std::string& path);
  void load_user_text(std::string_view text, const std::string& source);

  // The first rule that fits, or null. `name` is normalised.
  [[nodiscard]] const KernelRule* find(std::string_view name) const;
  [[nodiscard]] const std::vector<KernelRule>& rules() const { return rules_; }

 private:
  std::vector<KernelRule> rules_;
};

// Whether a pattern with * and ? fits the whole text.
bool fits_pattern(std::string_view pattern, std::string_view text);

}  // namespace rooftop
