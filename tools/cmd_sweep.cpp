#include <fmt/format.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "inference/cpu/memory.h"
#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tools/commands.h"
#include "tools/engine_setup.h"
#include "tools/model_choice.h"
#include "tools/progress.h"
#include "tools/recording.h"
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

// Runs the cells one after another and tells how far it is.
class Sweep {
 public:
  Sweep(const SweepOptions& options, const inference::Config& config, const BackendOptions& engine,
        inference::Backend& backend, Meta meta, Recording& recording)
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
    step(loop, cell, true);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < options_.repeats; ++i) step(loop, cell, false);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    seconds_per_cost_[cell.phase] = seconds / options_.repeats / cost;
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
    recording_.add_meta(meta);
    ++skipped_;
  }

  const SweepOptions& options_;
  const inference::Config& config_;
  const BackendOptions engine_;
  inference::Backend& backend_;
  const Meta meta_;
  Recording& recording_;
  std::map<Phase, double> seconds_per_cost_;
  std::size_t skipped_ = 0;
};

void print_json(std::size_t run, std::size_t skipped, const std::string& trace) {
  nlohmann::ordered_json json{{"cells_run", run}, {"cells_skipped", skipped}};
  if (!trace.empty()) json["trace"] = trace;
  fmt::print("{}\n", json.dump(2));
}

}  // namespace

int sweep_command(const SweepOptions& options) {
  const std::vector<Cell> planned = plan_cells(options);
  const auto source = open_model_choice(options.engine.model, options.engine.seed);
  const inference::Config& config = source->config();
  const BackendOptions engine = backend_options(options.engine, config);

  Meta meta = engine_meta(options.engine, *source, engine, "sweep");
  meta.sweep = true;
  const std::uint64_t available = inference::cpu::available_memory();
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

  Recording recording(options.output, meta);
  if (options.engine.measure_roofs) recording.add_meta(measured_roofs(options.engine));
  const auto backend = load_backend(*source, cells.front().capacity(engine));
  Sweep sweep(options, config, engine, *backend, meta, recording);
  sweep.run(cells);
  recording.finish();
  recording.present(options.json);
  if (options.json)
    print_json(cells.size() - sweep.skipped(), unfit + sweep.skipped(), recording.kept_trace());
  return 0;
}

}  // namespace rooftop::tools
