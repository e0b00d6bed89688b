#include "profiler/predict/calibration.h"

#include <algorithm>

#include "profiler/predict/terms.h"

// What CMake embeds (profiler/predict/CMakeLists.txt).
extern "C" const char rooftop_resource_coefficients[];
extern "C" const char rooftop_resource_coefficients_end[];

namespace rooftop::predict {

std::optional<double> GpuCalibration::error(Operator op, double rows) const {
  const std::string_view group = name_of(error_group(op));
  for (const ErrorBand& band : errors) {
    if (band.op == group && rows >= band.rows_from && rows <= band.rows_to) return band.p90;
  }
  return std::nullopt;
}

const Calibration& built_in_calibration() {
  static const Calibration calibration = parse_calibration(
      {rooftop_resource_coefficients, rooftop_resource_coefficients_end}, "coefficients.json");
  return calibration;
}

std::string Choice::text() const {
  switch (basis) {
    case Basis::kCalibrated:
      return "calibrated on " + coefficients->name;
    case Basis::kTransferred:
      return "transferred from " + coefficients->name;
    case Basis::kUncalibrated:
      break;
  }
  return "uncalibrated";
}

Choice choose(const Calibration& calibration, const DeviceTable& devices, const DeviceSpec& device,
              std::string_view dtype) {
  const auto& gpus = calibration.gpus;
  const auto own = std::ranges::find_if(gpus, [&](const GpuCalibration& gpu) {
    return std::ranges::find(gpu.devices, device.id) != gpu.devices.end();
  });
  // Coefficients are shares of datasheet figures. Of devices that share one set of measurements
  // they give the same times.
  if (own != gpus.end()) return {Basis::kCalibrated, &*own, own->figures};
  const DeviceSpec& hardware = device.hardware.empty() ? device : devices.require(device.hardware);
  const GpuFigures figures = figures_of(hardware, dtype);
  const auto relative = std::ranges::find_if(gpus, [&](const GpuCalibration& gpu) {
    return !gpu.chip.empty() && gpu.chip == hardware.chip;
  });
  if (relative != gpus.end()) return {Basis::kTransferred, &*relative, figures};
  return {Basis::kUncalibrated, &calibration.generic, figures};
}

}  // namespace rooftop::predict
