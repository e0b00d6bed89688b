// Decimal text to nanoseconds, exactly: a double has too few digits for a moment in microseconds
// since 1970 with three digits behind the point.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rooftop::import {

// `text`, a JSON number, times 10^`shift`, rounded half away from zero; none for what is no number
// or lies beyond +-4e18 (so that two of them can be added).
std::optional<std::int64_t> scaled_decimal(std::string_view text, int shift);

inline std::optional<std::int64_t> ns_of_us(std::string_view text) {
  return scaled_decimal(text, 3);
}

// A whole number without sign, fraction or exponent.
std::optional<std::uint64_t> whole_number(std::string_view text);

}  // namespace rooftop::import
