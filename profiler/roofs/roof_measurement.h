// A measured roof and what made it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/core/meta.h"

namespace rooftop {

// The share of its time that a measuring thread may have waited for a processor that other programs
// used; above it the roofs are lower than the machine's, and are not kept.
inline constexpr double kBusyShare = 0.1;

struct RoofMeasurement {
  MeasuredRoof roof;
  std::string method;  // "512-bit loads, 256 MiB, 2 threads"
  double waited = 0;   // share of the time that the threads waited for a processor; 0: unknown
};

// The roofs alone, as a trace's Meta keeps them; `device` is the index into Meta::devices.
inline std::vector<MeasuredRoof> roofs_of(std::span<const RoofMeasurement> measurements,
                                          std::uint32_t device) {
  std::vector<MeasuredRoof> roofs;
  for (const RoofMeasurement& measurement : measurements) {
    roofs.push_back(measurement.roof);
    roofs.back().device = device;
  }
  return roofs;
}

}  // namespace rooftop
