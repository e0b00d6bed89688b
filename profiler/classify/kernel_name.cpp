#include "profiler/classify/kernel_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace rooftop {
namespace {

constexpr std::size_t kLongest = 2048;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '_' || c == ':'; }

struct Spelling {
  std::string_view from;
  std::string_view to;
};
constexpr std::array<Spelling, 8> kSpellings = {{
    {"(anonymous namespace)", "anon"},
    {"<unnamed>", "anon"},
    {"(bool)1", "true"},
    {"(bool)0", "false"},
    {"[lambda", "{lambda"},
    {"> >", ">>"},
    {" *", "*"},
    {" &", "&"},
}};

// "(unsigned int)" of "(unsigned int)128": the length of a cast before a number, or 0.
std::size_t cast_length(std::string_view text) {
  if (text.empty() || text.front() != '(') return 0;
  std::size_t i = 1;
  while (i < text.size() && (is_word(text[i]) || text[i] == ' ')) ++i;
  if (i == 1 || i + 1 >= text.size() || text[i] != ')') return 0;
  const bool number = is_digit(text[i + 1]) || text[i + 1] == '-';
  return number ? i + 1 : 0;
}

// " (instance 1)]" -> "#1}".
std::size_t lambda_instance(std::string_view text, std::string& out) {
  constexpr std::string_view kInstance = " (instance ";
  if (!text.starts_with(kInstance)) return 0;
  std::size_t i = kInstance.size();
  const std::size_t digits = i;
  while (i < text.size() && is_digit(text[i])) ++i;
  if (i == digits || !text.substr(i).starts_with(")]")) return 0;
  out += '#';
  out += text.substr(digits, i - digits);
  out += '}';
  return i + 2;
}

// "nvjet_sm90_tst" and "nvjet_tst" are the same kernels.
std::size_t nvjet_chip(std::string_view text, const std::string& out) {
  if (!out.ends_with("nvjet_") || !text.starts_with("sm")) return 0;
  std::size_t i = 2;
  while (i < text.size() && is_digit(text[i])) ++i;
  return i > 2 && i < text.size() && text[i] == '_' ? i + 1 : 0;
}

}  // namespace

std::string normalised_kernel_name(std::string_view name) {
  std::string text(name.substr(0, kLongest));
  std::transform(text.begin(), text.end(), text.begin(), lower);
  std::string_view rest = text;
  if (rest.starts_with("void ")) rest.remove_prefix(5);
  std::string out;
  out.reserve(rest.size());
  while (!rest.empty()) {
    const auto spelling = std::find_if(kSpellings.begin(), kSpellings.end(),
                                       [&](const Spelling& s) { return rest.starts_with(s.from); });
    std::size_t used = 0;
    if (spelling != kSpellings.end()) {
      out += spelling->to;
      used = spelling->from.size();
    }
    if (used == 0) used = cast_length(rest);
    if (used == 0) used = lambda_instance(rest, out);
    if (used == 0) used = nvjet_chip(rest, out);
    if (used == 0) {
      out += rest.front();
      used = 1;
    }
    rest.remove_prefix(used);
  }
  return out;
}

}  // namespace rooftop
