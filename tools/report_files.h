// What every command that makes a report does with it: the folder, the table, the JSON document.
#pragma once

#include <string>
#include <vector>

#include "profiler/roofline/report_options.h"

namespace rooftop::tools {

struct ReportOutput {
  std::string folder;  // empty: none
  bool print = true;   // on stdout: the table, or
  bool json = false;   // one JSON document
};

// Reads `traces`, writes the folder (report.html, roofline.svg, roofline.png, points.csv,
// kernels.csv, report.json, each replaced whole), and prints the table or the document. Throws
// InputError.
void write_report(const std::vector<std::string>& traces, const ReportOptions& options,
                  const ReportOutput& output);

}  // namespace rooftop::tools
