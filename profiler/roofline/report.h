// From trace files to the Report message (proto/rooftop/report.proto), which every output is drawn
// from. What each figure means: docs/cost-model.md.
#pragma once

#include <string>
#include <vector>

#include "profiler/roofline/report_options.h"
#include "rooftop/report.pb.h"

namespace rooftop {

// `paths`: trace files, and folders of them (the ranks of one run). All of them are one report:
// shares are of the time of all their devices together. Throws InputError for a file that is
// missing, damaged or no trace, and for an unknown options.device. A trace in which nothing was
// recorded gives a report that says so in its notes.
Report build_report(const std::vector<std::string>& paths, const ReportOptions& options = {});

// The files that `paths` stand for, in order.
std::vector<std::string> expand_traces(const std::vector<std::string>& paths);

}  // namespace rooftop
