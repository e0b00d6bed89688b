// Figures as people read them.
#pragma once

#include <string>

namespace rooftop {

// "768GB/s", "20.5GB/s": in GB/s whatever the size, without a space, as the paper's charts have it.
// At most four digits.
std::string format_bandwidth(double bytes_per_second);

// "181 TFLOP/s", "154.8 TFLOP/s", "114 GFLOP/s" below one TFLOP/s. At most four digits.
std::string format_flops_rate(double flops_per_second);

// "41.2 %"
std::string format_percent(double fraction);

}  // namespace rooftop
