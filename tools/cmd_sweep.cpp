#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "inference/cpu/memory.h"
#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tools/commands.h"
#include "tools/device_choice.h"
#include "tools/engine_setup.h"
#include "tools/model_choice.h"
#include "tools/progress.h"
#include "tools/recording.h"
#include "tools/run_again.h"
#include "tools/sweep_plan.h"

namespace rooftop::tools {
namespace {

using inference::BackendOptions;

std::string gigabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

// Why a cell cannot run in this machine's memory; empty where it can.
std::string does_not_fit(const Cell& cell, const inference::Config& config,
                         const BackendOptions& options, std::uint64_t available) {
  const std::uint64_t need = memory_need(config, cell.capacity(options)).total();
  if (need <= available) return {};
  return fmt::format("needs {}, {} are free", gigabytes(need), gigabytes(available));
}

// What a cell's step takes by the clock, sampling included.
struct Timed {
  Cell cell;
  double step_s;  // mean of the repeats
};

// Runs the cells one after another and tells how far it is. `recording` may be null.
class Sweep {
 public:
  Sweep(const SweepOptions& options, const inference::Config& config, const BackendOptions& engine,
        inference::Backend& backend, Meta meta, Recording* recording)
      : options_(options),
        config_(config),
        engine_(engine),
        backend_(backend),
        meta_(std::move(meta)),
        recording_(recording) {}

  void run(const std::vector<Cell>& cells) {
    double total = 0;
    for (const Cell& cell : cells) total += relative_cost(cell, meta_);
    Progress progress("Sweep");
    double done = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      progress.update(done / total,
                      fmt::format("cell {} of {}: {}, batch {}, length {}", i + 1, cells.size(),
                                  name_of(cells[i].phase), cells[i].batch, cells[i].length));
      run_cell(cells[i]);
      done += relative_cost(cells[i], meta_);
    }
  }

  [[nodiscard]] std::size_t skipped() const { return skipped_; }
  [[nodiscard]] const std::vector<Timed>& timed() const { return timed_; }

 private:
  void run_cell(const Cell& cell) {
    const double cost = relative_cost(cell, meta_);
    const auto rate = seconds_per_cost_.find(cell.phase);
    if (options_.max_cell_seconds > 0 && rate != seconds_per_cost_.end()) {
      const double estimate = rate->second * cost;
      if (estimate > options_.max_cell_seconds) {
        return skip(
            cell, fmt::format("would take about {:.0f} s a step, more than --max-cell-seconds {:g}",
                              estimate, options_.max_cell_seconds));
      }
    }
    const BackendOptions capacity = cell.capacity(engine_);
    try {
      backend_.reserve(capacity);
    } catch (const InputError& e) {
      return skip(cell, e.what());  // memory that was free at the start is not any more
    }
    inference::Loop loop(backend_, config_, capacity);
    loop.open_scopes(options_.engine.scopes);
    for (int i = 0; i < warm_steps(cell); ++i) step(loop, cell, true);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < options_.repeats; ++i) step(loop, cell, false);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    seconds_per_cost_[cell.phase] = seconds / options_.repeats / cost;
    timed_.push_back({cell, seconds / options_.repeats});
  }

  // Twice on a GPU: the second step of a shape is where it is recorded as a graph. From more decode
  // steps, some of them left out, the cost of recording is learned.
  [[nodiscard]] int warm_steps(const Cell& cell) const {
    if (!parse_device(options_.engine.device).cuda) return 1;
    return cell.phase == Phase::kInit ? 2 : 8;
  }

  static void step(inference::Loop& loop, const Cell& cell, bool warmup) {
    if (cell.phase == Phase::kInit) {
      loop.prefill_cell(cell.batch, cell.length, warmup);
    } else {
      loop.decode_cell(cell.batch, cell.length, cell.query_tokens, warmup);
    }
  }

  void skip(const Cell& cell, std::string reason) {
    Meta meta;
    meta.skipped = {cell.skipped(std::move(reason))};
    if (recording_ != nullptr) recording_->add_meta(meta);
    ++skipped_;
  }

  const SweepOptions& options_;
  const inference::Config& config_;
  const BackendOptions engine_;
  inference::Backend& backend_;
  const Meta meta_;
  Recording* recording_;
  std::vector<Timed> timed_;
  std::map<Phase, double> seconds_per_cost_;
  std::size_t skipped_ = 0;
};

void print_json(const std::vector<Timed>& timed, std::size_t skipped, const std::string& trace) {
  nlohmann::ordered_json json{{"cells_run", timed.size()}, {"cells_skipped", skipped}};
  json["cells"] = nlohmann::ordered_json::array();
  for (const Timed& t : timed) {
    json["cells"].push_back({{"phase", name_of(t.cell.phase)},
                             {"batch", t.cell.batch},
                             {"query_tokens", t.cell.query_tokens},
                             {"length", t.cell.length},
                             {"step_s", t.step_s}});
  }
  if (!trace.empty()) json["trace"] = trace;
  fmt::print("{}\n", json.dump(2));
}

void print_times(const std::vector<Timed>& timed) {
  fmt::print("{:<6}{:>6}{:>14}{:>8}{:>12}{:>12}\n", "phase", "batch", "query tokens", "length",
             "ms a step", "tokens/s");
  for (const Timed& t : timed) {
    fmt::print("{:<6}{:>6}{:>14}{:>8}{:>12.3f}{:>12.1f}\n", name_of(t.cell.phase), t.cell.batch,
               t.cell.query_tokens, t.cell.length, t.step_s * 1e3,
               static_cast<double>(t.cell.batch * t.cell.query_tokens) / t.step_s);
  }
}

}  // namespace

int sweep_command(const SweepOptions& given) {
  SweepOptions options = given;
  options.engine = decided(given.engine);
  const std::vector<Cell> planned = plan_cells(options);
  const auto source = open_model_choice(options.engine.model, options.engine.seed);
  const inference::Config& config = source->config();
  const BackendOptions engine = backend_options(options.engine, config);

  Meta meta = engine_meta(options.engine, *source, engine, "sweep");
  meta.sweep = true;
  RecordingPlan plan = plan_recording(options.engine, engine, meta, options.output);
  options.repeats = std::max(options.repeats, plan.counter_repeats);
  // What fits on a GPU, its engine knows.
  const std::uint64_t available = parse_device(options.engine.device).cuda
                                      ? std::numeric_limits<std::uint64_t>::max()
                                      : inference::cpu::available_memory();
  std::vector<Cell> cells;
  for (const Cell& cell : planned) {
    const std::string reason = does_not_fit(cell, config, engine, available);
    reason.empty() ? cells.push_back(cell) : meta.skipped.push_back(cell.skipped(reason));
  }
  if (cells.empty()) {
    throw InputError(
        fmt::format("no cell of the grid fits in memory: the smallest {}; try fewer --layers, or a "
                    "smaller batch",
                    does_not_fit(planned.front(), config, engine, available)));
  }
  const std::size_t unfit = meta.skipped.size();

  std::optional<Recording> recording;
  if (plan.records) recording.emplace(options.output, meta, std::move(plan.options));
  if (recording && options.engine.measure_roofs)
    recording->add_meta(measured_roofs(options.engine));
  auto backend = load_backend(options.engine, *source, cells.front().capacity(engine));
  Sweep sweep(options, config, engine, *backend, meta, recording ? &*recording : nullptr);
  sweep.run(cells);
  backend.reset();  // its memory is free again before a second run needs it
  if (recording) recording->finish();
  if (recording && plan.counters) {
    SweepOptions again = options;
    again.engine = *plan.counters;
    recording->add_counters(arguments_of(again));
  }
  if (recording) {
    recording->present(options.json);
  } else if (!options.json) {
    print_times(sweep.timed());
  }
  if (options.json) {
    print_json(sweep.timed(), unfit + sweep.skipped(), recording ? recording->kept_trace() : "");
  }
  return 0;
}

}  // namespace rooftop::tools
