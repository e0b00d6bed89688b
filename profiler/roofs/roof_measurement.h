// A measured roof and what made it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/core/meta.h"

namespace rooftop {

struct RoofMeasurement {
  MeasuredRoof roof;
  std::string method;  // "AVX-512 loads, 256 MiB, 2 threads"
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
