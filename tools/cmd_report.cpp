#include <fmt/format.h>

#include "profiler/roofline/costliest.h"
#include "tools/commands.h"
#include "tools/foreign_files.h"
#include "tools/recorded_model.h"
#include "tools/report_files.h"

namespace rooftop::tools {
namespace {

std::string figure(const Figure& f, double unit) {
  return f.present() ? fmt::format("{:.3f}", f.value / unit) : "-";
}

// Names come from the trace: nothing in them may reach the terminal as a control sequence.
std::string printable(std::string name) {
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name;
}

void print_costliest(const std::vector<CostlyLaunch>& launches) {
  if (launches.empty()) {
    fmt::print("\nCostliest launches: none has a known time.\n");
    return;
  }
  fmt::print("\nCostliest launches\n{:>12} {:>12} {:>10} {:>6} {:>6}  {:<6}{:<14}{}\n", "time, us",
             "GFLOP", "MB", "step", "layer", "phase", "operator", "name");
  for (const CostlyLaunch& launch : launches) {
    fmt::print("{:>12.1f} {:>12} {:>10} {:>6} {:>6}  {:<6}{:<14}{}\n",
               static_cast<double>(launch.duration.ns) / 1e3, figure(launch.flops, 1e9),
               figure(launch.bytes, 1e6), launch.step > 0 ? fmt::format("{}", launch.step) : "-",
               launch.layer >= 0 ? fmt::format("{}", launch.layer) : "-", name_of(launch.phase),
               name_of(launch.op), printable(launch.name));
  }
}

}  // namespace

int report_command(const ReportCommandOptions& options) {
  ReportOptions report;
  report.roofs = options.roofs == "measured"    ? RoofSource::kMeasured
                 : options.roofs == "datasheet" ? RoofSource::kDatasheet
                                                : RoofSource::kBest;
  report.flops = options.flops == "hardware" ? FlopsKind::kHardware : FlopsKind::kModel;
  report.device = options.device;
  report.salvage = options.salvage;
  if (!options.devices_file.empty()) report.devices.load_user_file(options.devices_file);
  if (!options.rules.empty()) report.rules.load_user_file(options.rules);
  if (!options.model.empty()) report.model = recorded_model(options.model);
  const ReportInputs inputs(options.inputs);
  write_report(inputs.traces(), report, {.folder = options.output, .json = options.json});
  if (options.top > 0 && !options.json) {
    print_costliest(
        costliest_launches(inputs.traces(), report, static_cast<std::size_t>(options.top)));
  }
  return 0;
}

}  // namespace rooftop::tools
