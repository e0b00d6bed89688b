#include "tools/import/decimal.h"

#include <charconv>

namespace rooftop::import {
namespace {

constexpr std::uint64_t kLimit = 4'000'000'000'000'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The exponent behind 'e'; none where it is no number. Far exponents are as good as infinite.
std::optional<int> exponent_of(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value > 10'000 || value < -10'000) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> scaled_decimal(std::string_view text, int shift) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || !(is_digit(text.front()) || text.front() == '.')) return std::nullopt;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    const std::optional<int> exponent = exponent_of(text.substr(e + 1));
    if (!exponent) return std::nullopt;
    shift += *exponent;
    text = text.substr(0, e);
  }
  const std::size_t point = text.find('.');
  const auto whole =
      static_cast<std::int64_t>(point == std::string_view::npos ? text.size() : point);
  // Digits up to `keep` count; the one behind decides the rounding.
  const std::int64_t keep = whole + shift;
  std::uint64_t value = 0;
  std::int64_t index = 0;
  bool round_up = false;
  for (const char c : text) {
    if (c == '.') {
      if (index != whole) return std::nullopt;
      continue;
    }
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (index < keep) {
      if (value > kLimit / 10) return std::nullopt;
      value = value * 10 + digit;
    } else if (index == keep) {
      round_up = digit >= 5;
    }
    ++index;
  }
  for (; index < keep && value != 0; ++index) {
    if (value > kLimit / 10) return std::nullopt;
    value *= 10;
  }
  value += round_up ? 1 : 0;
  if (value > kLimit) return std::nullopt;
  const auto out = static_cast<std::int64_t>(value);
  return negative ? -out : out;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace rooftop::import
