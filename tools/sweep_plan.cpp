#include "tools/sweep_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "profiler/core/error.h"
#include "profiler/model/cost.h"

namespace rooftop::tools {
namespace {

constexpr std::int64_t kMostCells = 1'000'000;
constexpr std::int64_t kMostTokens = std::int64_t{1}
                                     << 24;  // per cell and size: more is a slip of the keyboard

std::vector<std::int64_t> powers_of_two(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> powers;
  for (std::int64_t p = first; p <= last; p *= 2) powers.push_back(p);
  return powers;
}

void check_sizes(const char* option, const std::vector<std::int64_t>& sizes) {
  if (sizes.empty()) {
    throw InputError(
        fmt::format("{} is missing: give a list as {} 1,4, or --grid paper", option, option));
  }
  for (const std::int64_t size : sizes) {
    if (size < 1 || size > kMostTokens) {
      throw InputError(fmt::format("{} {} is out of range: give numbers from 1 to {}", option, size,
                                   kMostTokens));
    }
  }
}

void add_cells(std::vector<Cell>& cells, const SweepOptions& options, std::int64_t batch,
               std::int64_t length) {
  const auto wants = [&](const char* phase) {
    return std::ranges::find(options.phases, phase) != options.phases.end();
  };
  if (wants("init")) cells.push_back({Phase::kInit, batch, length, length});
  if (!wants("ar")) return;
  for (const std::int64_t candidates : options.candidates) {
    if (candidates > length) {
      throw InputError(fmt::format(
          "--candidates {} is more than --lengths {}: a decode step's rows are part of its length",
          candidates, length));
    }
    cells.push_back({Phase::kAr, batch, candidates, length});
  }
}

}  // namespace

inference::BackendOptions Cell::capacity(inference::BackendOptions options) const {
  options.max_batch = batch;
  options.max_length = length;
  options.max_rows = batch * query_tokens;
  options.max_logit_rows = phase == Phase::kInit ? batch : batch * query_tokens;
  return options;
}

SkippedCell Cell::skipped(std::string reason) const {
  return {phase, static_cast<std::uint32_t>(batch), static_cast<std::uint32_t>(query_tokens),
          static_cast<std::uint32_t>(length), std::move(reason)};
}

std::vector<Cell> plan_cells(const SweepOptions& options) {
  const bool paper = options.grid == "paper";
  if (paper && (!options.batches.empty() || !options.lengths.empty())) {
    throw InputError(
        "--grid paper says batches and lengths itself: leave --batches and --lengths out");
  }
  const auto batches = paper ? powers_of_two(1, 64) : options.batches;
  const auto lengths = paper ? powers_of_two(128, 8192) : options.lengths;
  check_sizes("--batches", batches);
  check_sizes("--lengths", lengths);
  check_sizes("--candidates", options.candidates);
  const auto count = static_cast<double>(batches.size()) * static_cast<double>(lengths.size()) *
                     static_cast<double>(1 + options.candidates.size());
  if (count > kMostCells)
    throw InputError(
        fmt::format("the grid has {:.0f} cells: at most {} are run", count, kMostCells));
  std::vector<Cell> cells;
  for (const std::int64_t batch : batches) {
    for (const std::int64_t length : lengths) add_cells(cells, options, batch, length);
  }
  return cells;
}

double relative_cost(const Cell& cell, const Meta& meta) {
  const auto u32 = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  const StepShape step = uniform_step(u32(cell.batch), u32(cell.query_tokens), u32(cell.length));
  const double layers = meta.layers_run;
  double total = 0;
  const auto add = [&](Operator op, double times) {
    const auto cost = operator_cost(op, 0, meta.model, step, meta.causal_skip);
    if (!cost) return;
    const auto moved = traffic(*cost, element_bytes(meta));
    // A decode step of many rows computes more than it reads, a short prefill the other way round:
    // 50 FLOP/byte, as CPUs have about.
    total += times * std::max(cost->flops, 50.0 * (moved ? moved->total() : 0.0));
  };
  for (const Operator op :
       {Operator::kQkv, Operator::kQkPv, Operator::kOProj, Operator::kGateUp, Operator::kDown}) {
    add(op, layers);
  }
  add(Operator::kLmHead, 1);
  return total;
}

}  // namespace rooftop::tools
