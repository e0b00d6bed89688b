#include "profiler/classify/kernel_rules.h"

#include <fmt/format.h>

#include <bit>
#include <cctype>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "profiler/core/error.h"

extern "C" const char rooftop_resource_kernel_rules[];
extern "C" const char rooftop_resource_kernel_rules_end[];

namespace rooftop {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::size_t kLargestFile = std::size_t{1} << 22;
constexpr std::size_t kMostRules = 20'000;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The next word of `text`, which loses it.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const auto end = std::min(text.find_first_of(kBlank), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

struct Line {
  const std::string& source;
  int number;

  [[noreturn]] void fail(std::string_view what) const {
    throw InputError(fmt::format("{}, line {}: {}.", source, number, what));
  }
};

OperatorSet parse_operators(std::string_view text, const Line& line) {
  OperatorSet set = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('|'), text.size());
    const std::string_view name = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name == "product") {
      set |= kProducts;
      continue;
    }
    const std::optional<Operator> op = operator_from_name(name);
    if (!op || *op == Operator::kUnclassified || *op == Operator::kUpGateDown) {
      line.fail(fmt::format(
          "'{}' is no operator of a launch (as in qkv, q, gate_up, down, qk_pv, norm, other), and "
          "not 'product'",
          name.substr(0, 40)));
    }
    set |= set_of(*op);
  }
  return set;
}

void parse_attribute(std::string_view word, KernelRule& rule, const Line& line) {
  if (word == "companion") {
    rule.companion = true;
  } else if (word == "phase=init") {
    rule.phase = Phase::kInit;
  } else if (word == "phase=ar") {
    rule.phase = Phase::kAr;
  } else if (word == "query_blocks") {
    rule.query_blocks = true;
  } else if (word == "gated") {
    rule.gated = true;
  } else {
    line.fail(fmt::format("'{}' is none of companion, gated, query_blocks, phase=init, phase=ar",
                          word.substr(0, 40)));
  }
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

KernelRule parse_rule(std::string_view text, const Line& line) {
  constexpr std::string_view kArrow = " -> ";
  const auto arrow = text.find(kArrow);
  if (arrow == std::string_view::npos) {
    line.fail("a rule is written 'PATTERN -> OPERATOR', as in '*my_attention* -> qk_pv'");
  }
  KernelRule rule;
  rule.pattern = lower_case(trimmed(text.substr(0, arrow)));
  std::string_view rest = text.substr(arrow + kArrow.size());
  rule.operators = parse_operators(take_word(rest), line);
  if (rule.pattern.empty() || rule.operators == 0) line.fail("pattern or operator is missing");
  for (auto word = take_word(rest); !word.empty() && word.front() != '#'; word = take_word(rest)) {
    parse_attribute(word, rule, line);
  }
  return rule;
}

std::vector<KernelRule> parse_rules(std::string_view text, const std::string& source) {
  std::vector<KernelRule> rules;
  std::string family;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[' && line.back() == ']') {
      family = line.substr(1, line.size() - 2);
      continue;
    }
    const Line where{source, number};
    if (rules.size() >= kMostRules) where.fail("more rules than fit");
    rules.push_back(parse_rule(line, where));
    rules.back().family = family;
  }
  return rules;
}

}  // namespace

Operator only(OperatorSet set) {
  return std::has_single_bit(set) ? static_cast<Operator>(std::countr_zero(set))
                                  : Operator::kUnclassified;
}

bool fits_pattern(std::string_view pattern, std::string_view text) {
  // Where a star was met, and what it stands for so far: a later star never needs an earlier one
  // to stand for more, so that one place to come back to is enough.
  std::optional<std::string_view> star;
  std::string_view covered;
  while (!text.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      star = pattern;
      covered = text;
      // On to the first place where the text after the star can begin.
      const auto literal = pattern.substr(0, pattern.find_first_of("*?"));
      const auto at = text.find(literal);
      if (at == std::string_view::npos) return false;
      text.remove_prefix(at);
      covered = text;
    } else if (!pattern.empty() && (pattern.front() == '?' || pattern.front() == text.front())) {
      pattern.remove_prefix(1);
      text.remove_prefix(1);
    } else if (star && !covered.empty()) {
      covered.remove_prefix(1);
      pattern = *star;
      const auto literal = pattern.substr(0, pattern.find_first_of("*?"));
      const auto at = covered.find(literal);
      if (at == std::string_view::npos) return false;
      covered.remove_prefix(at);
      text = covered;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

KernelRules KernelRules::built_in() {
  KernelRules rules;
  rules.load_user_text({rooftop_resource_kernel_rules, rooftop_resource_kernel_rules_end},
                       "kernel_rules.txt");
  return rules;
}

void KernelRules::load_user_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kLargestFile + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (!in.is_open() || in.bad()) {
    throw InputError(fmt::format("{} cannot be read: name a file of kernel rules.", path));
  }
  if (text.size() > kLargestFile) {
    throw InputError(fmt::format("{} is larger than 4 MiB: a file of kernel rules is not.", path));
  }
  load_user_text(text, path);
}

void KernelRules::load_user_text(std::string_view text, const std::string& source) {
  std::vector<KernelRule> rules = parse_rules(text, source);
  rules.insert(rules.end(), std::make_move_iterator(rules_.begin()),
               std::make_move_iterator(rules_.end()));
  rules_ = std::move(rules);
}

const KernelRule* KernelRules::find(std::string_view name) const {
  for (const KernelRule& rule : rules_) {
    if (fits_pattern(rule.pattern, name)) return &rule;
  }
  return nullptr;
}

}  // namespace rooftop
