#include "profiler/predict/gemm.h"

#include <algorithm>
#include <cmath>

namespace rooftop::predict {
namespace {

constexpr std::array<double, 7> kSplits = {1, 2, 3, 4, 5, 6, 8};
constexpr double kShortestSplit = 256;  // of k: below it no library splits

// Rows of weights this many bytes apart, or a multiple, begin in the same memory channels.
constexpr double kChannelStride = 16384;

// Candidates this much slower than the fastest weigh nothing.
constexpr double kSlowestCandidate = 1.6;

struct Candidates {
  std::array<double, kTiles.size() * kSplits.size()> seconds{};
  std::size_t count = 0;
  double fastest = 0;
};

// Compute time of every tile and split that a library could choose.
Candidates compute_times(const GemmShape& s, const GpuFigures& gpu, const GemmCoefficients& c) {
  Candidates all;
  const double sm_peak = gpu.peak * (s.gated ? c.gated_peak : 1) / gpu.sm_count;
  const double sm_read = gpu.bandwidth * c.tile_read_speed / gpu.sm_count;
  for (std::size_t t = 0; t < kTiles.size(); ++t) {
    const double rows = kTiles[t].rows;
    const double columns = kTiles[t].columns;
    const double tiles = std::ceil(s.m / rows) * std::ceil(s.n / columns);
    const double compute_s = 2 * rows * columns * s.k / (sm_peak * c.tile_share[t]);
    // Every tile reads its own rows and columns, most of them out of L2.
    const double read_s =
        (s.weight_bytes * columns + s.activation_bytes * std::min(s.m, rows)) * s.k / sm_read;
    const double tile_s = std::cbrt(compute_s * compute_s * compute_s + read_s * read_s * read_s);
    for (const double split : kSplits) {
      if (split > 1 && s.k / split < kShortestSplit) break;
      const double waves = tiles * split / gpu.sm_count;
      const double full = std::ceil(waves);
      const double busy = c.quantisation * full + (1 - c.quantisation) * std::max(waves, 1.0);
      double seconds = busy * tile_s / split + c.wave_s * full;
      if (split > 1) {
        // Partial sums in 32 bits, written and read.
        seconds += c.split_s + 8 * s.m * s.n * split / (gpu.bandwidth * c.split_bandwidth_share);
      }
      all.fastest = all.count == 0 ? seconds : std::min(all.fastest, seconds);
      all.seconds[all.count++] = seconds;
    }
  }
  return all;
}

double memory_time(const GemmShape& s, const GpuFigures& gpu, const GemmCoefficients& c) {
  const double bytes = s.weight_bytes * s.n * s.k + s.activation_bytes * (s.m * s.k + s.m * s.n);
  double from_l2 = 0;
  if (gpu.l2_bytes > 0) {
    const double used = s.reuse_bytes / (c.l2_fill * gpu.l2_bytes);
    from_l2 = 1 / (1 + used * used * used * used);
  }
  const bool aligned = std::fmod(s.weight_bytes * s.k, kChannelStride) == 0;
  return bytes / (gpu.bandwidth * c.bandwidth_share) * (aligned ? c.stride_cost : 1) *
         (1 - from_l2 + from_l2 / c.l2_speed);
}

}  // namespace

double gemm_seconds(const GemmShape& shape, const GpuFigures& gpu, const GemmCoefficients& c) {
  const Candidates all = compute_times(shape, gpu, c);
  const double memory = memory_time(shape, gpu, c);
  const auto joined = [&](double compute) {
    return std::pow(std::pow(memory, c.overlap) + std::pow(compute, c.overlap), 1 / c.overlap);
  };
  const double fastest = joined(all.fastest);
  double weights = 0;
  double sum = 0;
  for (std::size_t i = 0; i < all.count; ++i) {
    if (all.seconds[i] > kSlowestCandidate * all.fastest) continue;
    const double seconds = joined(all.seconds[i]);
    const double weight = std::pow(fastest / seconds, c.choice);
    weights += weight;
    sum += weight * seconds;
  }
  return c.launch_s + sum / weights;
}

}  // namespace rooftop::predict
