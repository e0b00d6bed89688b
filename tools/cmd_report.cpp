#include "profiler/roofline/report_options.h"
#include "tools/commands.h"
#include "tools/report_files.h"

namespace rooftop::tools {

int report_command(const ReportCommandOptions& options) {
  ReportOptions report;
  report.roofs = options.roofs == "measured"    ? RoofSource::kMeasured
                 : options.roofs == "datasheet" ? RoofSource::kDatasheet
                                                : RoofSource::kBest;
  report.flops = options.flops == "hardware" ? FlopsKind::kHardware : FlopsKind::kModel;
  report.device = options.device;
  report.salvage = options.salvage;
  if (!options.devices_file.empty()) report.devices.load_user_file(options.devices_file);
  write_report(options.inputs, report, {.folder = options.output, .json = options.json});
  return 0;
}

}  // namespace rooftop::tools
