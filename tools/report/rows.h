// The rows of a report in the order that people read them, and what they sum to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rooftop/report.pb.h"

namespace rooftop {

// The six series in their order, then the named rows as the report gives them, then unclassified,
// then idle. Pointers into `report`.
std::vector<const RowTotal*> ordered_rows(const Report& report);

// A sum over rows; `complete` is false where a row that took time has no figure, so that the sum is
// only a lower bound.
struct PartialSum {
  std::optional<double> value;
  bool complete = true;
};

struct Totals {
  double time_s = 0;
  double share = 0;
  PartialSum flops;
  PartialSum bytes;
};
Totals totals_of(const Report& report);

// The sources of a row's time, FLOPs and bytes as one text, "MEASURED MODELLED MODELLED"; empty for
// a row without FLOPs and bytes.
std::string sources_of(const RowTotal& row);

// The different texts that sources_of gives for the rows, in the rows' order. Where there is only
// one, it can be said once for all of them.
std::vector<std::string> distinct_sources(const Report& report);

// False where there are launches but no times: counters were read on each launch by itself.
bool has_times(const Report& report);

}  // namespace rooftop
