// The roofline figures of the Medusa paper (arXiv 2401.10774, figures 9 to 17).
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "profiler/model/model_shapes.h"
#include "profiler/predict/measured_steps.h"
#include "profiler/predict/predicted_trace.h"
#include "profiler/roofline/report.h"
#include "profiler/roofline/report_json.h"
#include "tools/commands.h"
#include "tools/predict_setup.h"
#include "tools/published_figure.h"
#include "tools/report/atlas.h"
#include "tools/report/folder.h"
#include "tools/report/roofline_chart.h"
#include "tools/report_files.h"
#include "tools/sweep_plan.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModels[] = {"llama-7b", "llama-13b", "llama-33b"};
constexpr const char* kGpus[] = {"a100-80gb-pcie", "a40", "a6000-paper"};

std::vector<predict::PredictedStep> paper_steps() {
  SweepOptions grid;
  grid.grid = "paper";
  return predicted_steps(grid);
}

class Reproduction {
 public:
  explicit Reproduction(const ReproduceOptions& options)
      : options_(options), devices_(load_devices(options.devices_file)) {
    calibration_ = choose_calibration(options.calibrate, devices_);
    const std::vector<std::string> files = measured_files(options.measured);
    for (const std::string& file : files) {
      if (file.ends_with(".rtrace")) {
        traces_.push_back(file);
      } else {
        predict::add_samples(samples_, file, devices_);
      }
    }
  }

  AtlasChart chart(const ModelShape& model, const DeviceSpec& device) const {
    const predict::EngineForm form{.ideal = options_.ideal,
                                   .separate = options_.linear == "separate",
                                   .unfused = options_.attention == "unfused",
                                   .causal_skip = options_.causal};
    const predict::Choice choice = predict::choose(calibration_, devices_, device, "bf16");
    const Meta meta = predict::predicted_meta(model, device, "bf16", form,
                                              options_.ideal ? "ideal" : choice.text());
    const predict::Predictor predictor(meta, device, choice, calibration_, form);
    const TraceOutput predicted("");
    predict::write_predicted_trace(predicted.path(), meta, device, predictor, paper_steps());

    std::vector<std::string> traces = {predicted.path()};
    const TraceOutput measured("");
    const auto steps = predict::measured_steps(samples_, model, device, devices_);
    if (!steps.empty()) {
      predict::write_steps(measured.path(), measured_meta(meta), steps);
      traces.push_back(measured.path());
    }
    for (const std::string& trace : traces_) {
      if (is_trace_of(trace, model, device, devices_)) traces.push_back(trace);
    }
    ReportOptions report;
    report.devices = devices_;
    report.roofs = RoofSource::kDatasheet;
    AtlasChart chart{picture_name(model, device), build_report(traces, report), {}};
    chart.ranges = series_ranges(chart.report);
    add_published(chart);
    return chart;
  }

  [[nodiscard]] const DeviceTable& devices() const { return devices_; }

 private:
  // A table's times as a run of its own: nothing predicted, one layer.
  static Meta measured_meta(Meta meta) {
    meta.prediction.clear();
    meta.run = "measured, operator times";
    meta.command = "measured";
    meta.skipped.clear();
    meta.layers_run = 1;
    meta.dtype = "f16";
    meta.attention = "flash";
    return meta;
  }

  const ReproduceOptions& options_;
  DeviceTable devices_;
  predict::Calibration calibration_;
  predict::Samples samples_;
  std::vector<std::string> traces_;
};

// The points of all charts, one after another.
Report joined(const std::vector<AtlasChart>& charts) {
  Report all;
  for (const AtlasChart& chart : charts) {
    for (const Run& run : chart.report.runs()) *all.add_runs() = run;
    for (const Point& point : chart.report.points()) *all.add_points() = point;
    for (const Roof& roof : chart.report.roofs()) *all.add_roofs() = roof;
  }
  all.set_tool_version(charts.front().report.tool_version());
  all.set_flops_kind(charts.front().report.flops_kind());
  all.set_title("Medusa, figures 9 to 17");
  return all;
}

std::string lead_of(const ReproduceOptions& options) {
  return fmt::format(
      "Nine charts of 49 settings an operator: batches 1 to 64, lengths 128 to 8192. FLOPs and "
      "bytes by closed form ({} attention, {} linear layers{}), {}.",
      options.attention, options.linear, options.causal ? ", causal" : "",
      options.ideal ? "every point on the roof" : "times predicted");
}

void print_summary(const std::vector<AtlasChart>& charts, const Report& all,
                   const ReproduceOptions& options) {
  if (options.json) {
    nlohmann::ordered_json json{{"charts", nlohmann::ordered_json::array()}};
    for (const AtlasChart& chart : charts) {
      json["charts"].push_back({{"name", chart.name},
                                {"title", chart.report.title()},
                                {"points", chart.report.points_size()},
                                {"prediction", chart.report.runs(0).prediction()}});
    }
    json["points"] = all.points_size();
    json["page"] = (fs::path(options.output) / "report.html").string();
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  for (const AtlasChart& chart : charts) {
    fmt::print("{:<26} {}\n", chart.name, chart.report.runs(0).prediction());
  }
  fmt::print("\nCharts: {}\n",
             fs::absolute(fs::path(options.output) / "report.html").lexically_normal().string());
}

}  // namespace

int reproduce_command(const ReproduceOptions& options) {
  if (options.output.empty() || options.output.ends_with(".rtrace")) {
    throw InputError("reproduce needs a folder for its charts: -o DIR");
  }
  const Reproduction reproduction(options);
  std::vector<AtlasChart> charts;
  for (const char* model : kModels) {
    for (const char* gpu : kGpus) {
      charts.push_back(
          reproduction.chart(named_model(model).shape, reproduction.devices().require(gpu)));
    }
  }
  const Report all = joined(charts);
  const fs::path folder = make_folder(options.output);
  write_point_files(all, folder.string());
  write_file_atomically(folder / "report.html",
                        render_atlas(charts, "Medusa's rooflines", lead_of(options)));
  for (const AtlasChart& chart : charts) draw_roofline(chart.report, folder / chart.name);
  print_summary(charts, all, options);
  return 0;
}

}  // namespace rooftop::tools
