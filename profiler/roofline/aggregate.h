// One trace file, reduced to what the report is made of: sums per operator and cell, and how each
// device's time divides. One streaming pass over the steps and one over the launches; memory grows
// with the number of steps only.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/classify/step_table.h"
#include "profiler/core/meta.h"
#include "profiler/core/operator.h"
#include "profiler/roofline/figure_sum.h"
#include "profiler/roofline/report_options.h"
#include "profiler/trace/reader.h"

namespace rooftop {

// Of a grid's cell the exact figures; else powers of two (see cell_of()).
struct Cell {
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  auto operator<=>(const Cell&) const = default;
};

// The cell of a step: its own figures in a sweep, where every step is a cell of the grid; else each
// of batch, query tokens and length is rounded down to a power of two, so that the steps of a
// growing context gather in a few bins (a decode at length 100 lies in bin 64).
Cell cell_of(const Step& step, bool sweep);

struct CellKey {
  std::uint32_t device = 0;  // index into TraceTotals::devices
  Operator row = Operator::kUnclassified;
  Cell cell;
  auto operator<=>(const CellKey&) const = default;
};

struct CellTotals {
  CellKey key;
  std::uint64_t calls = 0;
  std::uint64_t steps = 0;  // of this cell on this device, whether or not this row ran in each
  // Nanoseconds: sums of integers, and so exact.
  double time_ns = 0;         // the launches' own durations
  double step_spread_ns = 0;  // a step's time: sample standard deviation
  double divided_ns = 0;      // where launches overlap, their equal parts
  FigureSum model_flops;
  FigureSum hardware_flops;
  FigureSum model_bytes;
  FigureSum dram_bytes;
  FigureSum l2_bytes;
  RatioSum amplification;  // counted over compulsory bytes
  RatioSum padding;        // hardware over model FLOPs
  RatioSum tensor_activity;
  std::uint64_t counted = 0;  // calls whose DRAM bytes were counted
  // Of predicted times only.
  FigureSum time_error_ns;
  Figure basis;  // the weakest of the launches' (CounterFigure::kBasis)
};

// Devices of one id in a process (two equal cards, say) are one: their launches add up, and so do
// their times.
struct DeviceTotals {
  std::string id;                    // of the device table; else the device's own name
  std::uint32_t index = 0;           // of the first such device in Meta::devices
  const DeviceSpec* spec = nullptr;  // null where the table does not know it
  double idle_ns = 0;
  double overlap_ns = 0;
};

struct TraceTotals {
  std::string path;
  Meta meta;
  trace::Recovery recovery;
  std::vector<std::string> device_ids;  // of each of Meta::devices
  std::vector<DeviceTotals> devices;    // those on which anything was launched
  std::vector<CellTotals> cells;        // in order of their keys
  std::uint64_t steps = 0;              // warm-up left out
  std::uint64_t warmup_steps = 0;
  double wall_seconds = 0;     // first step's begin to last step's end
  std::uint64_t launches = 0;  // that the cells are made of
  std::uint64_t warmup_launches = 0;
  std::uint64_t stepless_launches = 0;  // outside every complete step
  std::uint64_t late_launches = 0;      // too far out of order for an exact account of overlap
  std::uint64_t rejected_records = 0;   // ended before they began, or ids used twice
  std::uint64_t unmatched_counters = 0;
  double unassigned_samples = 0;      // of sampled DRAM bytes: where no launch ran
  std::uint64_t dropped_records = 0;  // lost during the run, as the trace says
  // Launches, but no times: counters were read on each launch by itself.
  bool timeless = false;
  bool linear_fused = false;     // some projections, or gate and up, ran as one product
  bool linear_separate = false;  // some ran apart
};

// Throws InputError for a damaged file (see trace::Reader). `options.devices` must outlive the
// result.
TraceTotals aggregate(const std::string& path, const ReportOptions& options);

}  // namespace rooftop
