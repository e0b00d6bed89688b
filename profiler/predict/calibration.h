// What the performance model knows of real GPUs: fitted coefficients, where they come from and how
// wrong they were on measurements that the fit had not seen.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/predict/attention.h"
#include "profiler/predict/gemm.h"
#include "profiler/predict/gpu_figures.h"
#include "profiler/predict/samples.h"

namespace rooftop::predict {

// An operator that only moves data.
struct StreamCoefficients {
  double launch_s = 3e-6;
  double bandwidth_share = 0.6;  // of the datasheet's bandwidth
};

// |predicted / measured - 1| over samples that were left out of the fit.
struct ErrorBand {
  std::string op;        // as error_group() names it
  double rows_from = 0;  // rows of the linear layer, or query tokens of attention
  double rows_to = 0;    // inclusive
  std::size_t samples = 0;
  double median = 0;
  double p90 = 0;
};

struct GpuCalibration {
  std::string name;                  // "a100"
  std::vector<std::string> devices;  // of the device table, that it is of
  std::string chip;                  // "GA100": other devices of this chip are its relatives
  std::string source;                // of the measurements
  GpuFigures figures;                // that the coefficients are shares of
  GemmCoefficients gemm;
  std::optional<AttentionCoefficients> attention;
  std::map<std::string, StreamCoefficients> streams;  // by operator
  std::vector<ErrorBand> errors;

  // The 90th percentile for an operator at so many rows; none where nothing was left out.
  [[nodiscard]] std::optional<double> error(Operator op, double rows) const;
};

struct Calibration {
  std::vector<GpuCalibration> gpus;
  GpuCalibration generic;  // fitted on all of them at once: for a GPU without a relative
};

// The calibration that is compiled in.
const Calibration& built_in_calibration();

// As JSON text, and back. parse_calibration throws InputError that begins with `name`.
std::string to_text(const Calibration& calibration);
Calibration parse_calibration(std::string_view text, const std::string& name);

// How a prediction for a device comes by its coefficients.
enum class Basis { kCalibrated, kTransferred, kUncalibrated };

struct Choice {
  Basis basis = Basis::kUncalibrated;
  const GpuCalibration* coefficients = nullptr;
  GpuFigures figures;
  [[nodiscard]] std::string text() const;  // "calibrated on a100", "transferred from a40", ...
};

// The calibration of the device itself, else of one with the same chip, else the generic one.
// `calibration` must outlive the result.
Choice choose(const Calibration& calibration, const DeviceTable& devices, const DeviceSpec& device,
              std::string_view dtype);

}  // namespace rooftop::predict
