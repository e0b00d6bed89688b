// What a roofline chart of a report shows, decided once for the pictures and the page: which
// points, their marks, the two roofs and the ranges of the axes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rooftop/report.pb.h"

namespace rooftop {

// Colours of the six series in their order: matplotlib's first six, as in the Medusa paper.
inline constexpr std::string_view kSeriesColours[6] = {"#1f77b4", "#ff7f0e", "#2ca02c",
                                                       "#d62728", "#9467bd", "#8c564b"};
inline constexpr std::string_view kBandwidthColour = "#0000ff";
inline constexpr std::string_view kComputeColour = "#ff0000";
inline constexpr std::string_view kRidgeColour = "#008000";

// How a point is drawn: by the weakest source of its bytes and time (and of its FLOPs where
// hardware FLOPs are plotted; model FLOPs are a closed form by definition).
enum class Mark {
  kMeasured,  // filled: counters and timestamps of this very launch
  kCounters,  // hollow: counters, but joined from another step, memoised or sampled
  kModelled,  // cross: bytes by closed form
  // No run at all: a cross, as in the paper; where it stands beside modelled points these are
  // diamonds.
  kPredicted,
};
inline constexpr int kMarks = 4;
std::string_view name_of(Mark mark);  // "measured", "counters", "modelled", "predicted"
Mark mark_of(const Point& point, std::string_view flops_kind);

// Whether any point of the report was predicted.
bool has_predictions(const Report& report);

// 0 to 5 in the charts' order, or -1 for a row outside the six series.
int series_index(std::string_view series);

// True for a point of the six series that has a place on logarithmic axes.
bool is_plotted(const Point& point);

// The intensity that compulsory bytes give a point whose bytes were counted: its modelled twin.
std::optional<double> twin_intensity(const Point& point);

// Both roofs of one source, for one device.
struct RoofPair {
  std::string source;  // "datasheet", "measured"
  const Roof* bandwidth = nullptr;
  const Roof* compute = nullptr;

  [[nodiscard]] double ridge() const { return compute->value() / bandwidth->value(); }
  // The attainable FLOP/s at an operational intensity.
  [[nodiscard]] double at(double intensity) const;
};

// The drawn pair first, then the same device's and type's roofs from other sources where both are
// known. Empty where the report draws none. Points into `report`.
std::vector<RoofPair> roof_pairs(const Report& report);

// Axis limits in FLOP/byte and FLOP/s.
struct ChartRange {
  double x_min = 0.6;
  double x_max = 10e3;
  double y_min = 10e9;
  double y_max = 0;
};

// 0.6 to 10k FLOP/byte and 10 GFLOP/s upward, wider only where points (or roofs) lie outside.
ChartRange chart_range(const Report& report, const std::vector<RoofPair>& roofs);

// "Roofline Model (Llama 7B, A6000)" of the report, or made from its first run.
std::string chart_title(const Report& report);

}  // namespace rooftop
