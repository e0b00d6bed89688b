// Which cells a sweep runs, in which order, and which do not fit.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/backend.h"
#include "profiler/core/meta.h"
#include "tools/commands.h"

namespace rooftop::tools {

struct Cell {
  Phase phase = Phase::kInit;
  std::int64_t batch = 1;
  std::int64_t query_tokens = 1;  // init: length; ar: candidates
  std::int64_t length = 1;        // L: keys seen, the new tokens included

  // What a backend needs to run this cell.
  [[nodiscard]] inference::BackendOptions capacity(inference::BackendOptions options) const;
  [[nodiscard]] SkippedCell skipped(std::string reason) const;
};

// Every cell of the options' grid: by batch, then length, prefill before decode, so that a decode
// cell finds the keys of the prefill before it. Throws InputError for an empty grid, impossible
// sizes, and more than 10^6 cells.
std::vector<Cell> plan_cells(const SweepOptions& options);

// An estimate of how long a cell takes beside another of the same phase, from FLOPs (init) and
// bytes (ar) of the closed forms. Any unit.
double relative_cost(const Cell& cell, const Meta& meta);

}  // namespace rooftop::tools
