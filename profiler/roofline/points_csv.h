// points.csv: one row for each point of a report. Columns and units: docs/cost-model.md.
#pragma once

#include <iosfwd>

#include "rooftop/report.pb.h"

namespace rooftop {

void write_points_csv(const Report& report, std::ostream& out);

}  // namespace rooftop
