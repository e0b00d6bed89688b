// How long a matrix product takes on a GPU: y[m][n] = x[m][k] * w[n][k]^T. docs/predict.md derives
// the terms.
#pragma once

#include <array>
#include <cstddef>

#include "profiler/predict/gpu_figures.h"

namespace rooftop::predict {

struct GemmShape {
  double m = 0;
  double n = 0;
  double k = 0;
  double weight_bytes = 2;  // per element
  double activation_bytes = 2;
  // Bytes that pass through L2 between two uses of these weights: those of the whole model in a
  // run, this product's own in a benchmark that repeats it.
  double reuse_bytes = 0;
  // The activations come out of a gate: many are near zero, which costs the chip less power.
  bool gated = false;
};

// Output tiles of one thread block, rows x columns, as the vendor's libraries have them.
struct Tile {
  int rows;
  int columns;
};
inline constexpr std::array<Tile, 13> kTiles = {{{256, 128},
                                                 {128, 256},
                                                 {128, 128},
                                                 {64, 256},
                                                 {256, 64},
                                                 {128, 64},
                                                 {64, 128},
                                                 {64, 64},
                                                 {32, 128},
                                                 {32, 64},
                                                 {16, 128},
                                                 {192, 128},
                                                 {128, 192}}};

struct GemmCoefficients {
  double launch_s = 2.2e-6;          // start and end of a kernel
  double bandwidth_share = 0.85;     // of the datasheet's bandwidth, at best
  double overlap = 2.5;              // exponent that joins memory and compute time; infinite: max
  double wave_s = 1e-6;              // filling and draining the pipeline, each wave
  double split_s = 3e-6;             // a split along k: the second kernel or the semaphores
  double split_bandwidth_share = 3;  // of DRAM's, at which partial sums move (they stay in L2)
  double quantisation = 0.8;         // of the last wave's idle SMs: 1 as bad as full, 0 no loss
  double l2_fill = 0.5;              // share of L2 in which weights survive until their next use
  double l2_speed = 2.5;             // L2's bandwidth over DRAM's
  double tile_read_speed = 2.5;      // at which tiles read their operands through L2, over DRAM's
  double stride_cost = 1;            // of memory time, where rows begin 16 KiB or so apart
  double gated_peak = 1;             // of the clock under load, where activations are gated
  double choice = 60;                // how surely the library takes the fastest kernel
  std::array<double, kTiles.size()> tile_share = {0.8,  0.8,  0.67, 0.67, 0.67, 0.57, 0.57,
                                                  0.48, 0.48, 0.4,  0.4,  0.75, 0.75};  // of peak
};

double gemm_seconds(const GemmShape& shape, const GpuFigures& gpu, const GemmCoefficients& c);

}  // namespace rooftop::predict
