#include "tools/report/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace rooftop {
namespace {

// Three significant digits, never an exponent; what rounds up to 10 or 100 loses a decimal.
std::string three_digits(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  int decimals = 2 - static_cast<int>(std::floor(std::log10(size)));
  if (size * std::pow(10.0, decimals) >= 999.5) --decimals;
  return fmt::format("{:.{}f}", value, std::clamp(decimals, 0, 12));
}

}  // namespace

std::string human_number(double value, std::string_view unit) {
  static constexpr std::array<std::string_view, 7> kPrefixes = {"", "k", "M", "G", "T", "P", "E"};
  if (!std::isfinite(value)) return "?";
  std::size_t prefix = 0;
  while (std::abs(value) >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  if (prefix == 0 && value == std::floor(value)) {  // a byte or two
    return fmt::format("{:.0f}{}{}", value, unit.empty() ? "" : " ", unit);
  }
  const std::string_view space = prefix > 0 || !unit.empty() ? " " : "";
  return fmt::format("{}{}{}{}", three_digits(value), space, kPrefixes[prefix], unit);
}

std::string human_time(double seconds, bool unicode) {
  if (!std::isfinite(seconds)) return "?";
  const double size = std::abs(seconds);
  if (size == 0 || size >= 0.9995) return three_digits(seconds) + " s";
  if (size >= 0.9995e-3) return three_digits(seconds * 1e3) + " ms";
  if (size >= 0.9995e-6) return three_digits(seconds * 1e6) + (unicode ? " µs" : " us");
  return three_digits(seconds * 1e9) + " ns";
}

std::string human_percent(double fraction) {
  if (!std::isfinite(fraction)) return "?";
  if (fraction == 0) return "0 %";
  if (fraction > 0 && fraction < 0.0005) return "<0.1 %";
  return fmt::format("{:.1f} %", fraction * 100);
}

std::string human_ratio(double value) { return std::isfinite(value) ? three_digits(value) : "?"; }

std::string human_count(double value) {
  if (!std::isfinite(value)) return "?";
  const std::string digits = fmt::format("{:.0f}", value);
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

}  // namespace rooftop
