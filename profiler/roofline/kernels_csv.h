// kernels.csv: one row for each launch, warm-up steps left out; q, k, v and up, gate, down are told
// apart. Written while the traces are read, in memory that does not grow with them. Columns and
// units: docs/cost-model.md.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "profiler/roofline/report_options.h"

namespace rooftop {

// The same traces and options as for build_report(). Throws InputError likewise.
void write_kernels_csv(const std::vector<std::string>& paths, const ReportOptions& options,
                       std::ostream& out);

}  // namespace rooftop
