#include "profiler/predict/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rooftop::predict {
namespace {

constexpr double kRowsPerBlock = 128;
constexpr double kRowGranule = 16;     // rows of a tensor-core instruction
constexpr double kBlocksPerSm = 2;     // resident at once
constexpr double kShortestSplit = 64;  // keys
constexpr std::array<double, 7> kSplits = {1, 2, 3, 4, 6, 8, 16};

}  // namespace

double flash_attention_seconds(const AttentionShape& s, const GpuFigures& gpu,
                               const AttentionCoefficients& c) {
  // The query heads of a group work on the same keys, in one block where they fit.
  const double rows = s.query_tokens * s.heads / s.kv_heads;
  const double blocks_per_head = std::ceil(rows / kRowsPerBlock);
  const double block_rows = std::min(kRowsPerBlock, std::ceil(rows / kRowGranule) * kRowGranule);
  const double blocks = s.batch * s.kv_heads * blocks_per_head;
  const double slots = kBlocksPerSm * gpu.sm_count;

  const double old_keys = s.length - s.query_tokens;
  const double kept = s.causal_skip ? 0.5 * (1 + 1 / s.query_tokens) : 1;
  const double keys = old_keys + c.new_key_cost * kept * s.query_tokens;
  const double compute = 4 * block_rows * s.head_dim * keys * slots / (gpu.peak * c.peak_share);
  // Blocks of one head read its keys and values together, out of L2 but for the first.
  const double memory = 2 * s.head_dim * s.length * s.kv_bytes * slots /
                        (gpu.bandwidth * c.bandwidth_share * blocks_per_head);
  const double block_s = std::max(compute, memory);

  double best = 0;
  for (const double split : kSplits) {
    if (split > 1 && s.length / split < kShortestSplit) break;
    const double waves = blocks * split / slots;
    const double full = std::ceil(waves);
    const double busy = c.quantisation * full + (1 - c.quantisation) * std::max(waves, 1.0);
    const double seconds = busy * block_s / split + full * c.wave_s + (split > 1 ? c.split_s : 0);
    if (split == 1 || seconds < best) best = seconds;
  }
  return c.launch_s + best;
}

}  // namespace rooftop::predict
