// The two roofs over a device's points, and how far a piece of work lies below them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "profiler/core/meta.h"
#include "profiler/roofline/device_table/device_table.h"
#include "profiler/roofline/report_options.h"
#include "rooftop/report.pb.h"

namespace rooftop {

// A bandwidth and a peak of the same origin: measured figures and published ones are never mixed.
struct RoofPair {
  std::string name;      // "measured:bf16", "datasheet:bf16"
  double bandwidth = 0;  // byte/s
  double peak = 0;       // FLOP/s of the compute type
  [[nodiscard]] double ridge() const { return peak / bandwidth; }
};

// Measured roofs are the "dram_read" bandwidth and the "compute" peak of `dtype` that the trace has
// for the device. None where either roof is missing from every origin that is allowed.
std::optional<RoofPair> choose_roofs(const Meta& meta, std::uint32_t device, const DeviceSpec* spec,
                                     RoofSource allowed);

// The least time that so many FLOPs and bytes take under the roofs, and which roof sets it.
struct Floor {
  double seconds = 0;
  bool memory_bound = false;
};
Floor floor_under(const RoofPair& roofs, double flops, double bytes);

// Every roof known for the device, those of `drawn` marked so and first.
void add_roofs(Report& report, const Meta& meta, std::uint32_t device, std::string_view device_id,
               const DeviceSpec* spec, const std::optional<RoofPair>& drawn);

}  // namespace rooftop
