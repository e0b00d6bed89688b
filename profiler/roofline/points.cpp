#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "profiler/roofline/report_parts.h"

namespace rooftop {
namespace {

// Divided by, not multiplied with its inverse: 500 ns are then the double nearest to 5e-07 s.
constexpr double kNsPerSecond = 1e9;

// Where a row stands in points.csv and in the table: the six series in the charts' order, then the
// named rows in the order of a step, unclassified last.
struct RowOrder {
  int series = 0;
  int op = 0;
  Phase phase = Phase::kUnknown;
  auto operator<=>(const RowOrder&) const = default;
};

RowOrder order_of(Operator row, Phase phase) {
  const auto& names = series_names();
  const auto it = std::find(names.begin(), names.end(), series_name(row, phase));
  const bool unclassified = row == Operator::kUnclassified;
  return {.series = static_cast<int>(it - names.begin()),
          .op = unclassified ? kOperatorCount : static_cast<int>(row),
          .phase = phase};
}

// All unclassified launches are one row of the table, whatever their phase.
std::string row_name(Operator row, Phase phase) {
  if (row == Operator::kUnclassified) return std::string(name_of(row));
  const std::string_view series = series_name(row, phase);
  if (!series.empty()) return std::string(series);
  return std::string(name_of(row)) + " " + std::string(name_of(phase));
}

// What the chart plots as FLOPs.
Figure plotted_flops(const CellTotals& cell, FlopsKind kind) {
  const Figure model = cell.model_flops.get();
  return kind == FlopsKind::kHardware || !model.present() ? cell.hardware_flops.get() : model;
}

// Rates and roofs of a Point or a RowTotal from its total FLOPs, bytes and seconds.
template <typename Message>
void set_rates(Message& message, const Figure& flops, const Figure& bytes, double seconds,
               Provenance time_source) {
  if (flops.present()) message.set_flops_source(std::string(name_of(flops.source)));
  if (bytes.present()) message.set_bytes_source(std::string(name_of(bytes.source)));
  message.set_time_source(std::string(name_of(time_source)));
  if (flops.present() && bytes.present() && bytes.value > 0) {
    message.set_intensity(flops.value / bytes.value);
  }
  if (flops.present() && seconds > 0) message.set_flops_per_s(flops.value / seconds);
}

Provenance time_source_of(const TraceTotals& trace) {
  if (trace.timeless) return Provenance::kAbsent;
  return trace.meta.prediction.empty() ? Provenance::kMeasured : Provenance::kPredicted;
}

// What was counted against what the closed forms say, of the launches that were counted.
struct Ratios {
  RatioSum amplification;
  RatioSum padding;
  RatioSum tensor_activity;
  std::uint64_t counted = 0;

  void add(const CellTotals& cell) {
    amplification.add(cell.amplification);
    padding.add(cell.padding);
    tensor_activity.add(cell.tensor_activity);
    counted += cell.counted;
  }

  template <typename Message>
  void set(Message& message, std::uint64_t calls) const {
    if (const auto ratio = amplification.get()) message.set_amplification(*ratio);
    if (const auto ratio = padding.get()) message.set_padding(*ratio);
    if (const auto ratio = tensor_activity.get()) message.set_tensor_activity(*ratio);
    if (counted == 0) return;
    message.set_counted(static_cast<double>(counted) / static_cast<double>(calls));
  }
};

// One row of the table while its cells are added up.
struct RowSum {
  Operator op = Operator::kUnclassified;
  Phase phase = Phase::kUnknown;
  double time_ns = 0;
  double divided_ns = 0;
  std::uint64_t calls = 0;
  FigureSum flops;
  FigureSum bytes;
  // The least time under each cell's own roofs, split by the roof that sets it.
  double memory_floor = 0;
  double compute_floor = 0;
  bool under_roofs = true;  // every cell has a place under roofs
  std::string roof;
  bool one_roof = true;  // the same roof for all cells
  Ratios ratios;
  Provenance time_source = Provenance::kMeasured;

  void add(const CellTotals& cell, FlopsKind kind, const std::optional<RoofPair>& roofs,
           Provenance source) {
    op = cell.key.row;
    time_source = weakest(time_source, source);
    phase = cell.key.cell.phase;
    const Figure cell_flops = plotted_flops(cell, kind);
    const Figure cell_bytes = cell.dram_bytes.get();
    if (calls == 0 && roofs) roof = roofs->name;
    one_roof = one_roof && roofs && roofs->name == roof;
    if (roofs && cell_flops.present() && cell_bytes.present()) {
      const Floor floor = floor_under(*roofs, cell_flops.value, cell_bytes.value);
      (floor.memory_bound ? memory_floor : compute_floor) += floor.seconds;
    } else {
      under_roofs = false;
    }
    time_ns += cell.time_ns;
    divided_ns += cell.divided_ns;
    calls += cell.calls;
    flops.add(cell_flops);
    bytes.add(cell_bytes);
    ratios.add(cell);
  }
};

// Of no time at all, nothing has a share.
double share_of(double ns, double all_ns) { return all_ns > 0 ? ns / all_ns : 0; }

RowTotal make_row(const std::string& name, const RowSum& sum, double all_ns) {
  RowTotal row;
  row.set_name(name);
  row.set_series(std::string(series_name(sum.op, sum.phase)));
  row.set_operator_(std::string(name_of(sum.op)));
  if (sum.op != Operator::kUnclassified) row.set_phase(std::string(name_of(sum.phase)));
  const double seconds = sum.time_ns / kNsPerSecond;
  row.set_time_s(seconds);
  row.set_share(share_of(sum.divided_ns, all_ns));
  row.set_calls(sum.calls);
  sum.ratios.set(row, sum.calls);
  const Figure flops = sum.flops.get();
  const Figure bytes = sum.bytes.get();
  if (flops.present()) row.set_flops(flops.value);
  if (bytes.present()) row.set_bytes(bytes.value);
  set_rates(row, flops, bytes, seconds, sum.time_source);
  if (sum.under_roofs && seconds > 0) {
    row.set_roof_fraction((sum.memory_floor + sum.compute_floor) / seconds);
    row.set_bound(sum.memory_floor >= sum.compute_floor ? "memory" : "compute");
    if (sum.one_roof) row.set_roof(sum.roof);
  }
  return row;
}

std::set<Cell> skipped_cells(const Meta& meta) {
  std::set<Cell> cells;
  for (const SkippedCell& s : meta.skipped) {
    cells.insert(
        {.phase = s.phase, .batch = s.batch, .query_tokens = s.query_tokens, .length = s.length});
  }
  return cells;
}

// How the point's time was predicted, how wrong it may be, and whether the device could run it.
void set_prediction(Point& point, const Meta& meta, const CellTotals& cell,
                    const std::set<Cell>& unfit, double steps) {
  constexpr double kUncalibrated = 2;
  const bool known = !cell.basis.present() || cell.basis.value < kUncalibrated;
  point.set_calibration(known ? meta.prediction : "uncalibrated");
  const Figure error = cell.time_error_ns.get();
  if (error.present()) point.set_time_spread_s(error.value / steps / kNsPerSecond);
  point.set_does_not_fit(unfit.contains(cell.key.cell));
}

Point make_point(const TraceView& view, const CellTotals& cell, FlopsKind kind,
                 const std::string& variant, const std::set<Cell>& unfit, double all_ns) {
  const TraceTotals& trace = view.totals;
  const auto steps = static_cast<double>(cell.steps);
  const auto per_step = [&](const Figure& total) {
    return Figure{.value = total.value / steps, .source = total.source};
  };
  const Figure flops = per_step(plotted_flops(cell, kind));
  const Figure hardware = per_step(cell.hardware_flops.get());
  const Figure dram = per_step(cell.dram_bytes.get());
  const Figure compulsory = per_step(cell.model_bytes.get());
  const Figure l2 = per_step(cell.l2_bytes.get());
  const double seconds = cell.time_ns / steps / kNsPerSecond;

  Point point;
  point.set_run(view.run);
  point.set_model(trace.meta.model.name);
  point.set_device(trace.devices[cell.key.device].id);
  point.set_rank(trace.meta.rank);
  point.set_dtype(trace.meta.dtype);
  point.set_attention(trace.meta.attention);
  point.set_variant(variant);
  point.set_layers(trace.meta.layers_run);
  point.set_series(std::string(series_name(cell.key.row, cell.key.cell.phase)));
  point.set_operator_(std::string(name_of(cell.key.row)));
  point.set_phase(std::string(name_of(cell.key.cell.phase)));
  point.set_batch(cell.key.cell.batch);
  point.set_query_tokens(cell.key.cell.query_tokens);
  point.set_length(cell.key.cell.length);
  point.set_calls(static_cast<double>(cell.calls) / steps);
  point.set_repeats(cell.steps);
  if (flops.present()) point.set_flops(flops.value);
  if (hardware.present()) point.set_hardware_flops(hardware.value);
  if (dram.present()) point.set_dram_bytes(dram.value);
  if (compulsory.present()) point.set_model_bytes(compulsory.value);
  if (l2.present()) point.set_l2_bytes(l2.value);
  point.set_time_s(seconds);
  point.set_time_spread_s(cell.step_spread_ns / kNsPerSecond);
  point.set_share(share_of(cell.divided_ns, all_ns));
  Ratios ratios;
  ratios.add(cell);
  ratios.set(point, cell.calls);
  set_rates(point, flops, dram, seconds, time_source_of(trace));
  if (!trace.meta.prediction.empty()) set_prediction(point, trace.meta, cell, unfit, steps);
  const auto& roofs = view.roofs[cell.key.device];
  if (roofs && flops.present() && dram.present() && seconds > 0) {
    const Floor floor = floor_under(*roofs, flops.value, dram.value);
    point.set_roof(roofs->name);
    point.set_roof_fraction(floor.seconds / seconds);
    point.set_bound(floor.memory_bound ? "memory" : "compute");
  }
  return point;
}

Provenance weakest_time_source(const std::vector<TraceView>& views) {
  Provenance source = Provenance::kMeasured;
  for (const TraceView& view : views) {
    if (!view.totals.timeless) source = weakest(source, time_source_of(view.totals));
  }
  return source;
}

struct DeviceTime {
  double busy_ns = 0;
  double idle_ns = 0;
  double overlap_ns = 0;
};

DeviceTime time_of(const std::vector<TraceView>& views) {
  DeviceTime time;
  for (const TraceView& view : views) {
    for (const CellTotals& cell : view.totals.cells) time.busy_ns += cell.divided_ns;
    for (const DeviceTotals& device : view.totals.devices) {
      time.idle_ns += device.idle_ns;
      time.overlap_ns += device.overlap_ns;
    }
  }
  return time;
}

void add_points(Report& report, const std::vector<TraceView>& views, FlopsKind flops,
                double all_ns) {
  for (const TraceView& view : views) {
    std::vector<const CellTotals*> cells;
    for (const CellTotals& cell : view.totals.cells) cells.push_back(&cell);
    std::sort(cells.begin(), cells.end(), [](const CellTotals* a, const CellTotals* b) {
      const auto key = [](const CellTotals& c) {
        return std::tuple{c.key.device, order_of(c.key.row, c.key.cell.phase), c.key.cell};
      };
      return key(*a) < key(*b);
    });
    const std::string variant = variant_of(view.totals);
    const std::set<Cell> unfit = skipped_cells(view.totals.meta);
    for (const CellTotals* cell : cells) {
      *report.add_points() = make_point(view, *cell, flops, variant, unfit, all_ns);
    }
  }
}

}  // namespace

std::string variant_of(const TraceTotals& totals) {
  std::string variant;
  if (totals.linear_fused) variant = totals.linear_separate ? "mixed" : "fused";
  if (!totals.linear_fused && totals.linear_separate) variant = "separate";
  if (totals.meta.causal_skip) variant += variant.empty() ? "causal" : ",causal";
  return variant;
}

void add_points_and_rows(Report& report, const std::vector<TraceView>& views, FlopsKind flops) {
  const DeviceTime time = time_of(views);
  report.set_overlap_seconds(time.overlap_ns / kNsPerSecond);
  const double all_ns = time.busy_ns + time.idle_ns;
  const bool timed = all_ns > 0;
  const bool ran = std::any_of(views.begin(), views.end(),
                               [](const TraceView& view) { return !view.totals.cells.empty(); });
  if (!timed && !ran) return;

  add_points(report, views, flops, all_ns);
  std::map<std::pair<RowOrder, std::string>, RowSum> sums;
  for (const TraceView& view : views) {
    // Work without time does not belong in a sum with work of known time.
    if (timed && view.totals.timeless) continue;
    for (const CellTotals& cell : view.totals.cells) {
      const Operator op = cell.key.row;
      const Phase phase = op == Operator::kUnclassified ? Phase::kUnknown : cell.key.cell.phase;
      sums[{order_of(op, phase), row_name(op, phase)}].add(cell, flops, view.roofs[cell.key.device],
                                                           time_source_of(view.totals));
    }
  }
  sums.try_emplace({order_of(Operator::kUnclassified, Phase::kUnknown), "unclassified"});
  for (const auto& [key, sum] : sums) {
    *report.add_rows() = make_row(key.second, sum, all_ns);
    if (timed) (*report.mutable_shares())[key.second] = sum.divided_ns / all_ns;
  }
  if (!timed) return;
  RowTotal& idle = *report.add_rows();
  idle.set_name("idle");
  idle.set_time_s(time.idle_ns / kNsPerSecond);
  idle.set_share(time.idle_ns / all_ns);
  idle.set_time_source(std::string(name_of(weakest_time_source(views))));
  (*report.mutable_shares())["idle"] = time.idle_ns / all_ns;
}

}  // namespace rooftop
