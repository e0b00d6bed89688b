#include "tools/import/metric_values.h"

#include <array>
#include <charconv>
#include <cmath>

namespace rooftop::import {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What groups digits besides '.' and ',': a space, an apostrophe, a no-break space (also the narrow
// one), and the typographic apostrophe, in UTF-8.
constexpr std::array<std::string_view, 5> kOtherGroupers = {" ", "'", "\xc2\xa0", "\xe2\x80\xaf",
                                                            "\xe2\x80\x99"};

// Powers of ten: of a prefix, and of a quantity in the unit that CUPTI counts it in.
struct Power {
  std::string_view text;
  int exponent;
};
// Times count in nanoseconds.
constexpr std::array<Power, 14> kBaseUnits = {{{"second", 9},
                                               {"s", 9},
                                               {"byte", 0},
                                               {"B", 0},
                                               {"inst", 0},
                                               {"cycle", 0},
                                               {"sector", 0},
                                               {"request", 0},
                                               {"warp", 0},
                                               {"thread", 0},
                                               {"block", 0},
                                               {"register", 0},
                                               {"hz", 0},
                                               {"Hz", 0}}};
constexpr std::array<Power, 10> kPrefixes = {{{"", 0},
                                              {"n", -9},
                                              {"u", -6},
                                              {"\xc2\xb5", -6},
                                              {"m", -3},
                                              {"K", 3},
                                              {"k", 3},
                                              {"M", 6},
                                              {"G", 9},
                                              {"T", 12}}};

// Of one quantity: prefix and base unit together; 0 for what is neither.
int exponent_of(std::string_view unit) {
  for (const Power& base : kBaseUnits) {
    const bool plural = unit.ends_with('s') && base.text.size() > 1;
    for (const std::string_view text : {unit, plural ? unit.substr(0, unit.size() - 1) : unit}) {
      if (!text.ends_with(base.text)) continue;
      const std::string_view before = text.substr(0, text.size() - base.text.size());
      for (const Power& prefix : kPrefixes) {
        if (before == prefix.text) return prefix.exponent + base.exponent;
      }
    }
  }
  return 0;
}

bool is_time(std::string_view unit) {
  return unit.ends_with("second") || unit == "s" || unit == "ns" || unit == "us" || unit == "ms";
}

// True where three digits stand behind each `sign` but before the next: "1.2.3" is no number.
bool three_digits_each(std::string_view text, char sign) {
  for (std::size_t at = text.find(sign); at != std::string_view::npos;) {
    const std::size_t next = text.find_first_of(".,", at + 1);
    const std::size_t end = next == std::string_view::npos ? text.size() : next;
    if (end - at != 4) return false;
    at = text.find(sign, at + 1);
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

void NumberStyle::observe(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  const std::size_t last = text.find_last_of(".,");
  if (last == std::string_view::npos || last == 0) return;
  for (const char c : text) {
    if (!is_digit(c) && c != '.' && c != ',') return;
  }
  const char sign = text[last];
  const char other = sign == '.' ? ',' : '.';
  const bool repeated = text.find(sign) != last;
  const bool both = text.find(other) != std::string_view::npos;
  // A group has three digits before its end, and a number that begins with 0 has no groups.
  const bool decimal = both || text.size() - last - 1 != 3 || last > 3 || text.front() == '0';
  if (repeated && !three_digits_each(text, sign)) return;
  if (repeated) {
    ++(sign == '.' ? comma_ : point_);
  } else if (decimal) {
    ++(sign == '.' ? point_ : comma_);
  }
}

char NumberStyle::decimal_sign() const { return comma_ > point_ ? ',' : '.'; }

std::optional<double> metric_number(std::string_view text, char decimal_sign) {
  text = trimmed(text);
  const char grouper = decimal_sign == '.' ? ',' : '.';
  std::array<char, 64> plain{};
  std::size_t size = 0;
  while (!text.empty()) {
    std::size_t skip = text.front() == grouper ? 1 : 0;
    for (const std::string_view other : kOtherGroupers) {
      if (skip == 0 && text.starts_with(other)) skip = other.size();
    }
    if (skip == 0) {
      if (size == plain.size()) return std::nullopt;
      plain[size++] = text.front() == decimal_sign ? '.' : text.front();
      skip = 1;
    }
    text.remove_prefix(skip);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + size, value);
  if (size == 0 || error != std::errc() || end != plain.data() + size || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

double unit_factor(std::string_view unit) {
  unit = trimmed(unit);
  const std::size_t slash = unit.find('/');
  int exponent = exponent_of(unit.substr(0, slash));
  if (slash != std::string_view::npos) {
    // Rates are per second whatever times are counted in; other denominators stay as they are.
    const std::string_view per = unit.substr(slash + 1);
    if (is_time(per)) exponent -= exponent_of(per) - exponent_of("second");
  }
  return std::pow(10.0, exponent);
}

bool parse_dimensions(std::string_view text, std::uint32_t (&out)[3]) {
  out[0] = out[1] = out[2] = 0;
  std::size_t count = 0;
  std::size_t i = 0;
  while (i < text.size() && count < 3) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    const auto [end, error] =
        std::from_chars(text.data() + i, text.data() + text.size(), out[count]);
    if (error != std::errc()) return false;
    i = static_cast<std::size_t>(end - text.data());
    ++count;
  }
  for (std::size_t k = count; k > 0 && k < 3; ++k) out[k] = 1;
  return count > 0;
}

}  // namespace rooftop::import
