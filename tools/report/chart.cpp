#include "tools/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "profiler/core/operator.h"
#include "profiler/core/provenance.h"

namespace rooftop {
namespace {

bool positive(double value) { return std::isfinite(value) && value > 0; }

// "measured:bf16" -> {"measured", "bf16"}.
struct RoofName {
  std::string_view source;
  std::string_view what;
};
RoofName split(const std::string& name) {
  const std::string_view text = name;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// Which bandwidth of a source stands for its DRAM: lower is better, caches do not count.
int dram_rank(std::string_view what) {
  static constexpr std::array<std::string_view, 3> kPreferred = {"dram_read", "dram_copy", "dram"};
  const auto* const found = std::find(kPreferred.begin(), kPreferred.end(), what);
  if (found != kPreferred.end()) return static_cast<int>(found - kPreferred.begin());
  return what.substr(0, 2) == "l2" ? -1 : static_cast<int>(kPreferred.size());
}

const Roof* drawn(const Report& report, std::string_view kind) {
  const auto found = std::find_if(report.roofs().begin(), report.roofs().end(), [&](const Roof& r) {
    return r.drawn() && r.kind() == kind && positive(r.value());
  });
  return found == report.roofs().end() ? nullptr : &*found;
}

// The best bandwidth of `source` for the device of `like`; nullptr where there is none.
const Roof* bandwidth_of(const Report& report, const Roof& like, std::string_view source) {
  const Roof* best = nullptr;
  int best_rank = 0;
  for (const Roof& roof : report.roofs()) {
    if (roof.kind() != "bandwidth" || roof.device() != like.device() || !positive(roof.value()))
      continue;
    const RoofName name = split(roof.name());
    const int rank = dram_rank(name.what);
    if (name.source != source || rank < 0 || (best != nullptr && rank >= best_rank)) continue;
    best = &roof;
    best_rank = rank;
  }
  return best;
}

// 1, 2 or 5 times a power of ten, at most (or at least) `value`.
double nice_below(double value) {
  const double decade = std::pow(10.0, std::floor(std::log10(value)));
  for (const double step : {5.0, 2.0}) {
    if (step * decade <= value) return step * decade;
  }
  return decade;
}
double nice_above(double value) {
  const double decade = std::pow(10.0, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (step * decade >= value) return step * decade;
  }
  return 10 * decade;
}

}  // namespace

std::string_view name_of(Mark mark) {
  switch (mark) {
    case Mark::kMeasured:
      return "measured";
    case Mark::kCounters:
      return "counters";
    case Mark::kPredicted:
      return "predicted";
    case Mark::kModelled:
      break;
  }
  return "modelled";
}

Mark mark_of(const Point& point, std::string_view flops_kind) {
  const auto source = [](const std::string& name) {
    return provenance_from_name(name).value_or(Provenance::kAbsent);
  };
  Provenance weak = weakest(source(point.bytes_source()), source(point.time_source()));
  if (flops_kind == "hardware") weak = weakest(weak, source(point.flops_source()));
  if (weak == Provenance::kMeasured) return Mark::kMeasured;
  if (weak == Provenance::kPredicted) return Mark::kPredicted;
  return weak <= Provenance::kSampled ? Mark::kCounters : Mark::kModelled;
}

bool has_predictions(const Report& report) {
  return std::any_of(report.runs().begin(), report.runs().end(),
                     [](const Run& run) { return !run.prediction().empty(); });
}

int series_index(std::string_view series) {
  const auto& names = series_names();
  const auto* const found = std::find(names.begin(), names.end(), series);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

bool is_plotted(const Point& point) {
  return series_index(point.series()) >= 0 && point.has_intensity() && point.has_flops_per_s() &&
         positive(point.intensity()) && positive(point.flops_per_s());
}

std::optional<double> twin_intensity(const Point& point) {
  const auto source = provenance_from_name(point.bytes_source());
  if (!source || *source > Provenance::kSampled) return std::nullopt;
  if (!point.has_flops() || !point.has_model_bytes()) return std::nullopt;
  const double intensity = point.flops() / point.model_bytes();
  return positive(intensity) ? std::optional(intensity) : std::nullopt;
}

double RoofPair::at(double intensity) const {
  return std::min(compute->value(), intensity * bandwidth->value());
}

std::vector<RoofPair> roof_pairs(const Report& report) {
  const Roof* const bandwidth = drawn(report, "bandwidth");
  const Roof* const compute = drawn(report, "compute");
  if (bandwidth == nullptr || compute == nullptr) return {};
  const RoofName name = split(compute->name());
  std::vector<RoofPair> pairs = {{std::string(name.source), bandwidth, compute}};
  for (const Roof& other : report.roofs()) {
    const RoofName other_name = split(other.name());
    const bool known = std::any_of(pairs.begin(), pairs.end(), [&](const RoofPair& pair) {
      return pair.source == other_name.source;
    });
    if (known || other.kind() != "compute" || other.device() != compute->device() ||
        other_name.what != name.what || !positive(other.value())) {
      continue;
    }
    const Roof* const its_bandwidth = bandwidth_of(report, other, other_name.source);
    if (its_bandwidth != nullptr) {
      pairs.push_back({std::string(other_name.source), its_bandwidth, &other});
    }
  }
  return pairs;
}

ChartRange chart_range(const Report& report, const std::vector<RoofPair>& roofs) {
  ChartRange range;
  double top = 0;
  double bottom = range.y_min;
  for (const RoofPair& pair : roofs) {
    top = std::max(top, pair.compute->value());
    bottom = std::min(bottom, pair.compute->value());
    if (pair.ridge() < range.x_min) range.x_min = nice_below(pair.ridge() / 2);
    if (pair.ridge() > range.x_max) range.x_max = nice_above(pair.ridge() * 2);
  }
  for (const Point& point : report.points()) {
    if (!is_plotted(point)) continue;
    top = std::max(top, point.flops_per_s());
    bottom = std::min(bottom, point.flops_per_s());
    for (const double x : {point.intensity(), twin_intensity(point).value_or(point.intensity())}) {
      if (x < range.x_min) range.x_min = nice_below(x * 0.9);
      if (x > range.x_max) range.x_max = nice_above(x * 1.1);
    }
  }
  if (top == 0) top = 1e12;  // neither roofs nor points: empty axes
  // From a power of ten clear of the lowest figure, so that no point sits on the axis.
  if (bottom < range.y_min) range.y_min = std::pow(10.0, std::floor(std::log10(bottom * 0.8)));
  range.y_max = std::max(nice_above(top * 1.5), range.y_min * 100);
  return range;
}

std::string chart_title(const Report& report) {
  if (!report.title().empty()) return report.title();
  if (report.runs().empty()) return "Roofline Model";
  const Run& run = report.runs(0);
  std::string title = "Roofline Model (" + run.model();
  if (!run.devices().empty()) title += ", " + run.devices(0).name();
  return title + ")";
}

}  // namespace rooftop
