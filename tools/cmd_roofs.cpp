#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "profiler/core/machine.h"
#include "profiler/roofs/cpu.h"
#include "profiler/roofs/cuda_loader.h"
#include "profiler/roofs/roofs_cache.h"
#include "tools/commands.h"
#include "tools/cuda_engine.h"
#include "tools/device_choice.h"
#include "tools/progress.h"

namespace rooftop::tools {
namespace {

struct Result {
  DeviceInfo device;
  std::vector<RoofMeasurement> roofs;
};

Result measure_cpu(const RoofsOptions& options) {
  Progress progress("Measuring roofs");
  CpuRoofOptions cpu;
  cpu.threads = options.threads;
  cpu.seconds = options.seconds;
  cpu.progress = [&](std::string_view what, double done) { progress.update(done, what); };
  return {describe_cpu(), cached_cpu_roofs(cpu, options.fresh)};
}

Result measure_cuda(const RoofsOptions& options, std::uint32_t ordinal) {
  require_cuda_device(ordinal);
  const CudaModuleLoad load = load_cuda_module();
  Progress progress("Measuring roofs");
  Result result{describe_cuda_device(*load.module, ordinal), {}};
  const auto measure = [&] {
    return measure_cuda_roofs(
        *load.module, ordinal, options.seconds,
        [&](std::string_view what, double done) { progress.update(done, what); });
  };
  result.roofs = cached_roofs(roofs_key(result.device, 0), RoofsCache(), options.fresh, measure);
  return result;
}

void print_json(const Result& result) {
  nlohmann::ordered_json json;
  json["device"] = result.device.name;
  json["driver"] = result.device.driver;
  json["roofs"] = nlohmann::ordered_json::array();
  for (const RoofMeasurement& m : result.roofs) {
    nlohmann::ordered_json roof{
        {"kind", m.roof.kind}, {"value", m.roof.value}, {"method", m.method}};
    roof["unit"] = m.roof.kind == "compute" ? "FLOP/s" : "byte/s";
    if (!m.roof.dtype.empty()) roof["dtype"] = m.roof.dtype;
    if (m.roof.clock_hz > 0) roof["clock_hz"] = m.roof.clock_hz;
    json["roofs"].push_back(roof);
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_table(const Result& result) {
  fmt::print("{} ({})\n", result.device.name, result.device.driver);
  for (const RoofMeasurement& m : result.roofs) {
    const bool compute = m.roof.kind == "compute";
    const std::string what = compute ? "compute " + m.roof.dtype : m.roof.kind;
    fmt::print("  {:<14}{:>10.1f} {:<8}  {}\n", what, m.roof.value / 1e9,
               compute ? "GFLOP/s" : "GB/s", m.method);
  }
}

}  // namespace

int roofs_command(const RoofsOptions& options) {
  const DeviceChoice device = parse_device(options.device);
  const Result result = device.cuda ? measure_cuda(options, device.ordinal) : measure_cpu(options);
  options.json ? print_json(result) : print_table(result);
  return 0;
}

}  // namespace rooftop::tools
