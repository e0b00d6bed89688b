// Numbers and units as Nsight Compute prints them, in whatever language its user's system speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rooftop::import {

// How numbers are written, found out from all of a file's numbers: "3,670,272" is one number where
// the comma groups digits and another where it is the decimal sign.
class NumberStyle {
 public:
  void observe(std::string_view text);

  // '.' or ','. Where nothing tells, '.'.
  [[nodiscard]] char decimal_sign() const;
  // Some numbers can only be read with a point, others only with a comma.
  [[nodiscard]] bool contradictory() const { return point_ > 0 && comma_ > 0; }

 private:
  std::uint64_t point_ = 0;
  std::uint64_t comma_ = 0;
};

// None for what is no number ("n/a", "", "nan").
std::optional<double> metric_number(std::string_view text, char decimal_sign);

// What one `unit` is in the units of CUPTI's metrics (bytes, nanoseconds, instructions, ... without
// prefix, rates per second): 1e6 for "Mbyte", 1 for "nsecond". 1 for what needs no change.
double unit_factor(std::string_view unit);

// "(128, 1, 1)" or "128,1,1" or "128".
bool parse_dimensions(std::string_view text, std::uint32_t (&out)[3]);

}  // namespace rooftop::import
