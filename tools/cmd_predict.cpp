#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "profiler/predict/calibrate.h"
#include "profiler/predict/predicted_trace.h"
#include "profiler/roofline/report.h"
#include "tools/commands.h"
#include "tools/model_choice.h"
#include "tools/predict_setup.h"
#include "tools/report/folder.h"
#include "tools/report/roofline_chart.h"
#include "tools/report_files.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

void print_held_out(const std::vector<predict::HeldOut>& rows, bool json) {
  if (!json) {
    std::size_t gpu_width = 6;
    for (const auto& row : rows) gpu_width = std::max(gpu_width, row.gpu.size());
    fmt::print("{:<28}{:<{}}  {:<11}{:>8}{:>9}{:>9}\n", "held out", "gpu", gpu_width, "terms",
               "samples", "median", "90 %");
    for (const auto& row : rows) {
      fmt::print("{:<28}{:<{}}  {:<11}{:>8}{:>8.1f}%{:>8.1f}%\n", row.held, row.gpu, gpu_width,
                 row.terms, row.samples, row.median * 100, row.p90 * 100);
    }
    return;
  }
  auto list = nlohmann::ordered_json::array();
  for (const auto& row : rows) {
    list.push_back({{"held_out", row.held},
                    {"gpu", row.gpu},
                    {"terms", row.terms},
                    {"samples", row.samples},
                    {"median", row.median},
                    {"p90", row.p90}});
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"held_out", list}}.dump(2));
}

std::vector<predict::PredictedStep> steps_of(const PredictOptions& options) {
  SweepOptions grid;
  grid.batches = options.batches;
  grid.lengths = options.lengths;
  grid.grid = options.grid;
  grid.candidates = options.candidates;
  grid.phases = options.phases;
  return predicted_steps(grid);
}

ModelShape checked_shape(const PredictOptions& options) {
  const ModelShape shape = shape_of(read_model_choice(options.model));
  if (options.layers > static_cast<int>(shape.layers)) {
    throw InputError(fmt::format("--layers {} is more than the {} layers of {}", options.layers,
                                 shape.layers, shape.name));
  }
  return shape;
}

// The predictions in the folder: trace, report, and the chart under the name that says of what.
void write_folder(const PredictOptions& options, const ModelShape& shape, const DeviceSpec& device,
                  const std::string& trace, const ReportOptions& report) {
  write_report({trace}, report, {.folder = options.output, .json = options.json});
  write_point_files(build_report({trace}, report), options.output);
  const fs::path folder = options.output;
  const std::string name = picture_name(shape, device);
  for (const char* extension : {".svg", ".png"}) {
    fs::copy_file(folder / (std::string("roofline") + extension), folder / (name + extension),
                  fs::copy_options::overwrite_existing);
  }
}

}  // namespace

int predict_command(const PredictOptions& options) {
  const DeviceTable devices = load_devices(options.devices_file);
  const bool only_calibrate =
      options.model.empty() && (options.cross_validate || !options.save_coefficients.empty());
  if (!only_calibrate && (options.model.empty() || options.gpu.empty())) {
    throw InputError("predict needs --model and --gpu (`rooftop gpus` lists the GPUs)");
  }
  if (options.calibrate.empty() && (options.cross_validate || !options.save_coefficients.empty())) {
    throw InputError(
        "--cross-validate and --save-coefficients need measured times: --calibrate FILE");
  }
  if (options.cross_validate) {
    print_held_out(predict::cross_validate(read_samples(options.calibrate, devices)), options.json);
    if (only_calibrate && options.save_coefficients.empty()) return 0;
  }
  const predict::Calibration calibration = choose_calibration(options.calibrate, devices);
  if (!options.save_coefficients.empty()) {
    write_file_atomically(options.save_coefficients, predict::to_text(calibration));
    if (only_calibrate) return 0;
  }

  const DeviceSpec& device = devices.require(options.gpu);
  const ModelShape shape = checked_shape(options);
  const std::vector<predict::PredictedStep> steps = steps_of(options);
  const predict::EngineForm form{.ideal = options.ideal,
                                 .separate = options.linear == "separate",
                                 .unfused = options.attention == "unfused",
                                 .causal_skip = options.causal};
  const predict::Choice choice = predict::choose(calibration, devices, device, options.dtype);
  const Meta meta = predict::predicted_meta(shape, device, options.dtype, form,
                                            options.ideal ? "ideal" : choice.text(),
                                            static_cast<std::uint32_t>(options.layers));
  const predict::Predictor predictor(meta, device, choice, calibration, form);

  const TraceOutput output(options.output);
  predict::write_predicted_trace(output.path(), meta, device, predictor, steps);
  ReportOptions report;
  report.devices = devices;
  report.roofs = RoofSource::kDatasheet;
  if (output.keeps_trace_only()) {
    if (options.json) {
      fmt::print("{}\n", nlohmann::ordered_json{{"cells", steps.size()},
                                                {"prediction", meta.prediction},
                                                {"trace", options.output}}
                             .dump(2));
    } else {
      fmt::print(stderr, "Trace: {} ({}); `rooftop report {}` shows it.\n", options.output,
                 meta.prediction, options.output);
    }
  } else if (options.output.empty()) {
    write_report({output.path()}, report, {.folder = "", .json = options.json});
  } else {
    write_folder(options, shape, device, output.path(), report);
  }
  return 0;
}

}  // namespace rooftop::tools
