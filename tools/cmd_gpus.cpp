#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "profiler/roofline/device_table/device_table.h"
#include "profiler/roofline/units.h"
#include "tools/commands.h"
#include "tools/predict_setup.h"

namespace rooftop::tools {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const DeviceSpec& device) {
  Json json{{"id", device.id},
            {"display_name", device.display_name},
            {"chip", device.chip},
            {"aliases", device.aliases},
            {"memory_bytes", device.memory_bytes},
            {"bandwidth_bytes_per_s", device.bandwidth},
            {"bandwidth_source", device.bandwidth_source},
            {"peaks", Json::array()}};
  for (const Peak& peak : device.peaks) {
    json["peaks"].push_back({{"dtype", peak.dtype},
                             {"flops_per_s", peak.flops},
                             {"ridge_flop_per_byte", peak.flops / device.bandwidth},
                             {"source", peak.source}});
  }
  // What is not known is left out: 0 SMs would be a figure.
  if (device.l2_bytes > 0) json["l2_bytes"] = device.l2_bytes;
  if (device.sm_count > 0) json["sm_count"] = device.sm_count;
  if (device.boost_clock_hz > 0) json["boost_clock_hz"] = device.boost_clock_hz;
  if (!device.specs_source.empty()) json["specs_source"] = device.specs_source;
  return json;
}

std::string tera(const DeviceSpec& device, std::string_view dtype) {
  const Peak* peak = device.peak(dtype);
  return peak == nullptr ? "-" : fmt::format("{:.4g}", peak->flops / 1e12);
}

void print_table(std::span<const DeviceSpec> devices) {
  fmt::print("{:<20}{:<7}{:>7}{:>7}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>7}\n", "id", "chip", "GiB",
             "GB/s", "f32", "tf32", "bf16", "fp8", "int8", "fp4", "ridge");
  for (const DeviceSpec& device : devices) {
    const Peak* bf16 = device.peak("bf16");
    fmt::print("{:<20}{:<7}{:>7.4g}{:>7.5g}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>7}\n", device.id,
               device.chip, static_cast<double>(device.memory_bytes) / (1U << 30),
               device.bandwidth / 1e9, tera(device, "f32"), tera(device, "tf32"),
               tera(device, "bf16"), tera(device, "fp8"), tera(device, "int8"), tera(device, "fp4"),
               bf16 == nullptr ? "-" : fmt::format("{:.0f}", bf16->flops / device.bandwidth));
  }
  fmt::print(
      "Peaks in dense TFLOP/s (int8: TOP/s), ridge of bf16 in FLOP/byte; `rooftop gpus ID` shows "
      "the sources.\n");
}

void print_device(const DeviceSpec& device) {
  fmt::print("{} ({}), {}\n", device.display_name, device.id, device.chip);
  const auto line = [](std::string_view name, const std::string& value, std::string_view source) {
    fmt::print("  {:<12}{:>16}  {}\n", name, value, source);
  };
  line("memory", fmt::format("{:.4g} GiB", static_cast<double>(device.memory_bytes) / (1U << 30)),
       "");
  line("bandwidth", format_bandwidth(device.bandwidth), device.bandwidth_source);
  for (const Peak& peak : device.peaks) {
    line(peak.dtype, format_flops_rate(peak.flops), peak.source);
  }
  if (device.sm_count > 0) line("SMs", fmt::format("{}", device.sm_count), device.specs_source);
  if (device.l2_bytes > 0) {
    line("L2", fmt::format("{:.4g} MiB", static_cast<double>(device.l2_bytes) / (1U << 20)), "");
  }
  if (device.boost_clock_hz > 0) {
    line("boost clock", fmt::format("{:.0f} MHz", device.boost_clock_hz / 1e6), "");
  }
  for (const std::string& alias : device.aliases) line("also", alias, "");
}

}  // namespace

int gpus_command(const GpusOptions& options) {
  const DeviceTable table = load_devices(options.devices_file);
  const DeviceSpec* one = options.id.empty() ? nullptr : &table.require(options.id);
  if (options.json) {
    Json json = Json::array();
    for (const DeviceSpec& device : table.devices()) {
      if (one == nullptr || one == &device) json.push_back(to_json(device));
    }
    fmt::print("{}\n", Json{{"devices", json}}.dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  one == nullptr ? print_table(table.devices()) : print_device(*one);
  return 0;
}

}  // namespace rooftop::tools
