// What predict and reproduce have in common.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/predict/calibration.h"
#include "profiler/predict/predictor.h"
#include "profiler/roofline/device_table/device_table.h"
#include "rooftop/report.pb.h"
#include "tools/commands.h"

namespace rooftop::tools {

// The built-in table with the user's file on top, where one is given. Throws InputError.
DeviceTable load_devices(const std::string& file);

// The cells of a sweep's grid. Throws InputError as plan_cells() does.
std::vector<predict::PredictedStep> predicted_steps(const SweepOptions& grid);

// Tables and traces: files as they are, folders as what they hold of both.
std::vector<std::string> measured_files(const std::vector<std::string>& paths);

// Whether a trace was measured on this model and device.
bool is_trace_of(const std::string& trace, const ModelShape& model, const DeviceSpec& device,
                 const DeviceTable& devices);

// Makes the folder where there is none. Throws InputError.
std::filesystem::path make_folder(const std::string& folder);

// points.csv, report.json, and predictions.csv: for each predicted point its basis, its error and
// whether it fits the device's memory.
void write_point_files(const Report& report, const std::string& folder);

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
