#include "profiler/roofline/report.h"

#include <fmt/core.h>

#include <filesystem>
#include <set>
#include <utility>

#include "profiler/core/version.h"
#include "profiler/roofline/report_parts.h"

namespace rooftop {
namespace {

// The trace's own name for its run, else the file's; a second run of the same name and rank gets a
// number, for the name is part of the key of a point.
std::string unique_run(const TraceTotals& totals,
                       std::set<std::pair<std::string, std::uint32_t>>& taken) {
  std::string name = totals.meta.run;
  if (name.empty()) name = std::filesystem::path(totals.path).stem().string();
  const std::string base = name;
  for (int copy = 2; !taken.emplace(name, totals.meta.rank).second; ++copy) {
    name = fmt::format("{}#{}", base, copy);
  }
  return name;
}

std::vector<TraceView> read_all(const std::vector<std::string>& paths,
                                const ReportOptions& options) {
  std::vector<TraceView> views;
  std::set<std::pair<std::string, std::uint32_t>> taken;
  for (const std::string& path : expand_traces(paths)) {
    TraceView view;
    view.totals = aggregate(path, options);
    // Under the roofs of a device that the user names, what was measured on another has no place.
    if (!options.device.empty()) view.totals.meta.roofs.clear();
    view.run = unique_run(view.totals, taken);
    for (const DeviceTotals& device : view.totals.devices) {
      view.roofs.push_back(
          choose_roofs(view.totals.meta, device.index, device.spec, options.roofs));
    }
    views.push_back(std::move(view));
  }
  return views;
}

// The chart has one pair of roofs: those of the first device that has any. The others are listed.
void add_all_roofs(Report& report, const std::vector<TraceView>& views) {
  bool drawn = false;
  std::set<std::string> listed;  // ranks on equal machines: the datasheet once
  for (const TraceView& view : views) {
    for (std::size_t i = 0; i < view.totals.devices.size(); ++i) {
      const DeviceTotals& device = view.totals.devices[i];
      if (!listed.insert(device.id).second) continue;
      const std::optional<RoofPair> pair = drawn ? std::nullopt : view.roofs[i];
      add_roofs(report, view.totals.meta, device.index, device.id, device.spec, pair);
      if (!pair) continue;
      report.set_ridge_flop_per_byte(pair->ridge());
      drawn = true;
    }
  }
}

}  // namespace

std::vector<std::string> expand_traces(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    for (std::string& file : trace::trace_files(path)) files.push_back(std::move(file));
  }
  return files;
}

Report build_report(const std::vector<std::string>& paths, const ReportOptions& options) {
  const std::vector<TraceView> views = read_all(paths, options);
  Report report;
  report.set_tool_version(kVersion);
  report.set_flops_kind(options.flops == FlopsKind::kHardware ? "hardware" : "model");
  for (const TraceView& view : views) {
    *report.add_runs() = describe_run(view);
    for (std::string& note : notes_of(view, views.size() > 1)) report.add_notes(std::move(note));
  }
  if (!views.empty()) report.set_title(title_of(views.front().totals));
  add_points_and_rows(report, views, options.flops);
  add_all_roofs(report, views);
  add_findings(report, options.devices);
  return report;
}

}  // namespace rooftop
