// What predict and reproduce have in common.
#pragma once

#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/predict/calibration.h"
#include "profiler/roofline/device_table/device_table.h"

namespace rooftop::tools {

// The samples of all files. Throws InputError.
predict::Samples read_samples(const std::vector<std::string>& files, const DeviceTable& devices);

// The built-in calibration where no file is given; coefficients that were saved; else a fit.
predict::Calibration choose_calibration(const std::vector<std::string>& files,
                                        const DeviceTable& devices);

// "llama-33b_a100-80gb-pcie".
std::string picture_name(const ModelShape& shape, const DeviceSpec& device);

// Where a predicted trace goes: to NAME.rtrace, into the folder, or nowhere for long.
class TraceOutput {
 public:
  explicit TraceOutput(const std::string& output);
  ~TraceOutput();  // removes a trace that nobody asked for
  TraceOutput(const TraceOutput&) = delete;
  TraceOutput& operator=(const TraceOutput&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool keeps_trace_only() const { return trace_only_; }

 private:
  std::string path_;
  bool trace_only_ = false;
  bool temporary_ = false;
};

}  // namespace rooftop::tools
