#include "profiler/roofline/units.h"

#include <fmt/core.h>

namespace rooftop {
namespace {

// Three digits, four where the number before the point has three: published figures such as 154.8
// stay whole. Never an exponent.
std::string short_number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  return value >= 100 ? fmt::format("{:.4g}", value) : fmt::format("{:.3g}", value);
}

}  // namespace

std::string format_bandwidth(double bytes_per_second) {
  return short_number(bytes_per_second * 1e-9) + "GB/s";
}

std::string format_flops_rate(double flops_per_second) {
  return flops_per_second < 1e12 ? short_number(flops_per_second * 1e-9) + " GFLOP/s"
                                 : short_number(flops_per_second * 1e-12) + " TFLOP/s";
}

std::string format_percent(double fraction) { return fmt::format("{:.1f} %", fraction * 100); }

}  // namespace rooftop
