#include "profiler/roofline/aggregate.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <utility>

#include "profiler/roofline/device_timeline.h"
#include "profiler/roofline/launch_figures.h"
#include "profiler/roofline/launch_stream.h"

namespace rooftop {
namespace {

// The devices of a trace. A launch on a device that the trace does not describe goes to one more,
// nameless one.
class Devices {
 public:
  Devices(const Meta& meta, const ReportOptions& options,
          const std::vector<StepTable::Interval>& region)
      : region_(region), slots_(meta.devices.size() + 1) {
    const DeviceSpec* chosen =
        options.device.empty() ? nullptr : &options.devices.require(options.device);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const DeviceInfo info = i < meta.devices.size() ? meta.devices[i] : DeviceInfo{};
      const DeviceSpec* spec = chosen;
      if (spec == nullptr) spec = options.devices.find(info.table_id);
      if (spec == nullptr) spec = options.devices.find(info.name);
      slots_[i].spec = spec;
      slots_[i].id = spec != nullptr ? spec->id : info.name;
      if (slots_[i].id.empty()) slots_[i].id = "unknown";
    }
  }

  struct Slot {
    std::string id;
    const DeviceSpec* spec = nullptr;
    std::optional<std::uint32_t> group;  // index into groups(), once anything was launched
    std::optional<DeviceTimeline> timeline;
  };

  Slot& slot(std::uint32_t device) {
    const auto index = std::min<std::size_t>(device, slots_.size() - 1);
    Slot& slot = slots_[index];
    if (!slot.timeline) {
      slot.timeline.emplace(region_);
      slot.group = group_of(slot, static_cast<std::uint32_t>(index));
    }
    return slot;
  }

  // Of the devices that the trace describes.
  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i + 1 < slots_.size(); ++i) ids.push_back(slots_[i].id);
    return ids;
  }

  // Adds up the devices of each id.
  std::vector<DeviceTotals> finish() {
    for (Slot& slot : slots_) {
      if (!slot.timeline) continue;
      slot.timeline->finish();
      DeviceTotals& group = groups_[*slot.group];
      group.idle_ns += slot.timeline->idle();
      group.overlap_ns += slot.timeline->overlap();
    }
    return std::move(groups_);
  }

  [[nodiscard]] double owned_ns(std::size_t owner) const {
    double ns = 0;
    for (const Slot& slot : slots_) {
      if (slot.timeline) ns += slot.timeline->owned(owner);
    }
    return ns;
  }

 private:
  std::uint32_t group_of(const Slot& slot, std::uint32_t index) {
    const auto it = std::find_if(groups_.begin(), groups_.end(),
                                 [&](const DeviceTotals& g) { return g.id == slot.id; });
    if (it != groups_.end()) return static_cast<std::uint32_t>(it - groups_.begin());
    groups_.push_back({.id = slot.id, .index = index, .spec = slot.spec});
    return static_cast<std::uint32_t>(groups_.size() - 1);
  }

  const std::vector<StepTable::Interval>& region_;
  std::vector<Slot> slots_;
  std::vector<DeviceTotals> groups_;
};

class Aggregator {
 public:
  Aggregator(const Meta& meta, const ReportOptions& options, const StepTable& steps,
             TraceTotals& totals)
      : meta_(meta),
        steps_(steps),
        region_(steps.profiled_region()),
        devices_(meta, options, region_),
        closed_(steps.steps().size(), false),
        totals_(totals) {}

  void add(const Launch& launch) {
    Devices::Slot& device = devices_.slot(launch.record.device);
    std::size_t owner = DeviceTimeline::kNobody;
    const auto step = launch.classification.step;
    if (!step) {
      ++totals_.stepless_launches;
    } else if (steps_.steps()[*step].warmup) {
      ++totals_.warmup_launches;
    } else {
      owner = count(launch, *step, *device.group);
    }
    if (!device.timeline->add(launch.record.begin, launch.record.end, owner)) {
      ++totals_.late_launches;
    }
  }

  void finish() {
    while (!open_.empty()) close_first();
    totals_.device_ids = devices_.ids();
    totals_.devices = devices_.finish();
    for (std::size_t owner = 0; owner < rows_.size(); ++owner) {
      Row& row = rows_[owner];
      CellKey any_row = row.totals.key;
      any_row.row = Operator::kUnclassified;
      // A step whose launches all came too late was never closed with any: it still was one.
      row.totals.steps = std::max<std::uint64_t>(1, steps_in_cell_[any_row]);
      row.totals.step_spread_ns = row.spread.sample_deviation(row.totals.steps);
      row.totals.divided_ns = devices_.owned_ns(owner);
      totals_.cells.push_back(row.totals);
    }
    std::sort(totals_.cells.begin(), totals_.cells.end(),
              [](const CellTotals& a, const CellTotals& b) { return a.key < b.key; });
    leave_out_time_that_was_not_measured();
  }

 private:
  void leave_out_time_that_was_not_measured() {
    totals_.timeless = totals_.launches > 0 &&
                       std::all_of(totals_.cells.begin(), totals_.cells.end(),
                                   [](const CellTotals& cell) { return cell.time_ns == 0; });
    if (!totals_.timeless) return;
    for (DeviceTotals& device : totals_.devices) device.idle_ns = 0;
    totals_.wall_seconds = 0;
  }

  struct Row {
    CellTotals totals;
    Spread spread;
  };
  // A step of which launches may still come.
  struct OpenStep {
    std::map<std::size_t, double> time_ns;  // by row
    std::vector<CellKey> cells;             // with row unclassified, one for each device
  };

  // Adds a launch to its row; the row's index is what device time is divided by.
  std::size_t count(const Launch& launch, std::uint32_t step, std::uint32_t group) {
    const Classification& c = launch.classification;
    note_variant(c.op);
    const CellKey key{
        .device = group, .row = row_of(c.op), .cell = cell_of(steps_.steps()[step], meta_.sweep)};
    const auto [it, inserted] = row_index_.try_emplace(key, rows_.size());
    if (inserted) rows_.emplace_back().totals.key = key;
    const std::size_t owner = it->second;

    CellTotals& row = rows_[owner].totals;
    const LaunchFigures figures = figures_of(launch, meta_, steps_);
    const auto ns = static_cast<double>((launch.record.end - launch.record.begin).ns);
    ++row.calls;
    ++totals_.launches;
    row.time_ns += ns;
    row.model_flops.add(figures.model_flops);
    row.hardware_flops.add(figures.hardware_flops);
    row.model_bytes.add(figures.model_bytes());
    row.dram_bytes.add(figures.dram_bytes());
    row.l2_bytes.add(figures.l2_bytes);
    add_ratios(row, figures, launch.counters);
    add_prediction(row, launch.counters, ns);
    count_in_step(step, owner, key, ns);
    return owner;
  }

  static void add_ratios(CellTotals& row, const LaunchFigures& figures,
                         const LaunchCounters& counters) {
    const Figure counted = counters.dram_bytes();
    if (counted.present()) ++row.counted;
    row.amplification.add(counted, figures.model_bytes());
    row.padding.add(figures.hardware_flops, figures.model_flops);
    row.tensor_activity.add(counters.get(CounterFigure::kTensorCycles),
                            counters.get(CounterFigure::kSmCycles));
  }

  // Errors of one operator's times have one cause, whatever the layer: they add up.
  static void add_prediction(CellTotals& row, const LaunchCounters& counters, double ns) {
    Figure error = counters.get(CounterFigure::kTimeError);
    error.value *= ns;
    row.time_error_ns.add(error);
    const Figure basis = counters.get(CounterFigure::kBasis);
    if (basis.present() && (!row.basis.present() || basis.value > row.basis.value)) {
      row.basis = basis;
    }
  }

  // Launches come in order of begin, so that few steps are open at a time. What comes for a step
  // that was closed is in the sums, and only missing from the spread.
  void count_in_step(std::uint32_t step, std::size_t owner, CellKey key, double ns) {
    constexpr std::size_t kMostOpenSteps = 256;
    if (closed_[step]) return;
    OpenStep& open = open_[step];
    open.time_ns[owner] += ns;
    key.row = Operator::kUnclassified;
    if (std::find(open.cells.begin(), open.cells.end(), key) == open.cells.end()) {
      open.cells.push_back(key);
    }
    if (open_.size() > kMostOpenSteps) close_first();
  }

  void close_first() {
    const auto first = open_.begin();
    for (const auto& [owner, ns] : first->second.time_ns) rows_[owner].spread.add(ns);
    for (const CellKey& cell : first->second.cells) ++steps_in_cell_[cell];
    closed_[first->first] = true;
    open_.erase(first);
  }

  void note_variant(Operator op) {
    switch (op) {
      case Operator::kQkv:
      case Operator::kGateUp:
      case Operator::kGateUpAct:
        totals_.linear_fused = true;
        break;
      case Operator::kQ:
      case Operator::kK:
      case Operator::kV:
      case Operator::kGate:
      case Operator::kUp:
        totals_.linear_separate = true;
        break;
      default:
        break;
    }
  }

  const Meta& meta_;
  const StepTable& steps_;
  const std::vector<StepTable::Interval> region_;
  Devices devices_;
  std::map<CellKey, std::size_t> row_index_;
  std::vector<Row> rows_;
  std::map<std::uint32_t, OpenStep> open_;
  std::vector<bool> closed_;
  std::map<CellKey, std::uint64_t> steps_in_cell_;
  TraceTotals& totals_;
};

void describe_steps(const StepTable& steps, TraceTotals& totals) {
  totals.warmup_steps = steps.warmup_steps();
  totals.steps = steps.steps().size() - totals.warmup_steps;
  totals.rejected_records = steps.rejected();
  const auto region = steps.profiled_region();
  if (!region.empty()) totals.wall_seconds = (region.back().end - region.front().begin).seconds();
}

}  // namespace

Cell cell_of(const Step& step, bool sweep) {
  Cell cell{.phase = step.phase,
            .batch = step.batch,
            .query_tokens = step.query_tokens,
            .length = step.length};
  if (!sweep) {
    cell.batch = std::bit_floor(cell.batch);
    cell.query_tokens = std::bit_floor(cell.query_tokens);
    cell.length = std::bit_floor(cell.length);
  }
  return cell;
}

TraceTotals aggregate(const std::string& path, const ReportOptions& options) {
  TraceTotals totals;
  totals.path = path;
  const TraceSurvey survey =
      survey_trace(path, options.rules, {.salvage = options.salvage, .model = options.model});
  const StepTable& steps = survey.steps;
  totals.meta = survey.meta;
  describe_steps(steps, totals);

  trace::Reader reader(path, {.salvage = options.salvage});
  Aggregator aggregator(totals.meta, options, steps, totals);
  const LaunchStreamStats stats =
      stream_launches(reader, survey, [&](const Launch& launch) { aggregator.add(launch); });
  aggregator.finish();
  totals.recovery = reader.recovery();
  totals.rejected_records += stats.rejected;
  totals.unmatched_counters = stats.unmatched_counters;
  totals.dropped_records = stats.dropped_records;
  if (stats.sampled_dram.all > 0) {
    totals.unassigned_samples = stats.sampled_dram.unassigned / stats.sampled_dram.all;
  }
  return totals;
}

}  // namespace rooftop
