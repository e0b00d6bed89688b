// The parts of a report, each made from the traces' totals; report.cpp puts them together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiler/roofline/aggregate.h"
#include "profiler/roofline/roof_choice.h"
#include "rooftop/report.pb.h"

namespace rooftop {

// A trace's totals with what the whole report decides about it.
struct TraceView {
  TraceTotals totals;
  std::string run;                             // unique among runs of the same rank
  std::vector<std::optional<RoofPair>> roofs;  // by index into totals.devices
};

// Machine, model, devices and cost of one trace.
Run describe_run(const TraceView& view);

// Points in the order of points.csv, rows of the table, and shares; all in one walk over the cells.
void add_points_and_rows(Report& report, const std::vector<TraceView>& views, FlopsKind flops);

// "fused", "separate", or "mixed" where both ran, for the linear layers; then ",causal" where
// attention skips masked pairs.
std::string variant_of(const TraceTotals& totals);

// "Roofline Model (Llama 7B, A6000)".
std::string title_of(const TraceTotals& totals);

// One sentence each about what a reader of the report must know: truncation, losses, what was left
// out. `many`: begin with the file's name.
std::vector<std::string> notes_of(const TraceView& view, bool many);

// The few things that stand out, each from figures that the report shows.
void add_findings(Report& report, const DeviceTable& devices);

}  // namespace rooftop
