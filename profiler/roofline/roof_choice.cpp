#include "profiler/roofline/roof_choice.h"

#include <algorithm>
#include <cmath>

#include "profiler/roofline/units.h"

namespace rooftop {
namespace {

constexpr std::string_view kBandwidthKind = "dram_read";
constexpr std::string_view kComputeKind = "compute";

bool usable(double roof) { return roof > 0 && std::isfinite(roof); }

// The highest of the measured roofs of a kind: a roof is what was reached at best.
double best_measured(const Meta& meta, std::uint32_t device, std::string_view kind,
                     std::string_view dtype) {
  double best = 0;
  for (const MeasuredRoof& roof : meta.roofs) {
    if (roof.device == device && roof.kind == kind && roof.dtype == dtype && usable(roof.value)) {
      best = std::max(best, roof.value);
    }
  }
  return best;
}

std::optional<RoofPair> pair_of(std::string name, double bandwidth, double peak) {
  if (!usable(bandwidth) || !usable(peak)) return std::nullopt;
  return RoofPair{.name = std::move(name), .bandwidth = bandwidth, .peak = peak};
}

Roof make_roof(std::string_view device, bool compute, std::string name, double value,
               std::string source) {
  Roof roof;
  roof.set_device(std::string(device));
  roof.set_kind(compute ? "compute" : "bandwidth");
  roof.set_name(std::move(name));
  roof.set_value(value);
  roof.set_label(compute ? format_flops_rate(value) : format_bandwidth(value));
  roof.set_source(std::move(source));
  return roof;
}

std::vector<Roof> known_roofs(const Meta& meta, std::uint32_t device, std::string_view id,
                              const DeviceSpec* spec) {
  std::vector<Roof> roofs;
  for (const MeasuredRoof& measured : meta.roofs) {
    if (measured.device != device || !usable(measured.value)) continue;
    const bool compute = measured.kind == kComputeKind;
    roofs.push_back(make_roof(id, compute, "measured:" + (compute ? measured.dtype : measured.kind),
                              measured.value, "measured on this machine"));
  }
  if (spec != nullptr) {
    if (usable(spec->bandwidth)) {
      roofs.push_back(
          make_roof(id, false, "datasheet:dram", spec->bandwidth, spec->bandwidth_source));
    }
    for (const Peak& peak : spec->peaks) {
      if (!usable(peak.flops)) continue;
      roofs.push_back(make_roof(id, true, "datasheet:" + peak.dtype, peak.flops, peak.source));
    }
  }
  return roofs;
}

}  // namespace

std::optional<RoofPair> choose_roofs(const Meta& meta, std::uint32_t device, const DeviceSpec* spec,
                                     RoofSource allowed) {
  if (allowed != RoofSource::kDatasheet) {
    const auto measured =
        pair_of("measured:" + meta.dtype, best_measured(meta, device, kBandwidthKind, ""),
                best_measured(meta, device, kComputeKind, meta.dtype));
    if (measured || allowed == RoofSource::kMeasured) return measured;
  }
  const Peak* peak = spec != nullptr ? spec->peak(meta.dtype) : nullptr;
  if (peak == nullptr) return std::nullopt;
  return pair_of("datasheet:" + meta.dtype, spec->bandwidth, peak->flops);
}

Floor floor_under(const RoofPair& roofs, double flops, double bytes) {
  const double memory = bytes / roofs.bandwidth;
  const double compute = flops / roofs.peak;
  return {.seconds = std::max(memory, compute), .memory_bound = memory >= compute};
}

void add_roofs(Report& report, const Meta& meta, std::uint32_t device, std::string_view device_id,
               const DeviceSpec* spec, const std::optional<RoofPair>& drawn) {
  std::vector<Roof> roofs = known_roofs(meta, device, device_id, spec);
  if (drawn) {
    const bool measured = drawn->name.starts_with("measured:");
    const std::string bandwidth = measured ? "measured:dram_read" : "datasheet:dram";
    // Of roofs that were measured twice the one that was chosen is drawn, once.
    for (const auto& [name, value] :
         {std::pair{bandwidth, drawn->bandwidth}, std::pair{drawn->name, drawn->peak}}) {
      const auto it = std::find_if(roofs.begin(), roofs.end(), [&](const Roof& roof) {
        return roof.name() == name && roof.value() == value;
      });
      if (it != roofs.end()) it->set_drawn(true);
    }
  }
  std::stable_partition(roofs.begin(), roofs.end(), [](const Roof& roof) { return roof.drawn(); });
  for (Roof& roof : roofs) *report.add_roofs() = std::move(roof);
}

}  // namespace rooftop
