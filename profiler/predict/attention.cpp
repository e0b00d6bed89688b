#include "profiler/predict/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rooftop::predict {
namespace {

constexpr double kRowsPerBlock = 128;
constexpr double kRowGranule = 16;  // rows of a tensor-core instruction
constexpr double kBlocksPerSm = 2;  // resident at once
// Keys of a part: a block of keys for one row, and far more where parts of many rows have to be
// combined.
constexpr double kShortestDecodeSplit = 128;
constexpr double kShortestPrefillSplit = 1024;
constexpr std::array<double, 7> kSplits = {1, 2, 3, 4, 6, 8, 16};

struct Waves {
  double count = 0;  // of blocks that run at once
  double turns = 0;  // times of a block alone that the busiest multiprocessor works
};

// Two blocks on a multiprocessor share it: together they take twice as long as one.
Waves waves_of(double blocks, double sm_count, double quantisation) {
  const double exact = blocks / (kBlocksPerSm * sm_count);
  Waves waves{.count = std::ceil(exact), .turns = 1};
  if (exact > 1) {
    waves.turns = kBlocksPerSm * (quantisation * waves.count + (1 - quantisation) * exact);
  } else if (blocks > sm_count) {
    waves.turns = kBlocksPerSm;
  }
  return waves;
}

}  // namespace

double flash_attention_seconds(const AttentionShape& s, const GpuFigures& gpu,
                               const AttentionCoefficients& c) {
  // The query heads of a group work on the same keys, in one block where they fit.
  const double rows = s.query_tokens * s.heads / s.kv_heads;
  const double blocks_per_head = std::ceil(rows / kRowsPerBlock);
  const double block_rows = std::min(kRowsPerBlock, std::ceil(rows / kRowGranule) * kRowGranule);
  const double blocks = s.batch * s.kv_heads * blocks_per_head;

  const double old_keys = s.length - s.query_tokens;
  const double kept = s.causal_skip ? 0.5 * (1 + 1 / s.query_tokens) : 1;
  const double keys = old_keys + c.new_key_cost * kept * s.query_tokens;
  const double kv_bytes = 2 * s.head_dim * s.length * s.kv_bytes;  // of one head
  // What a block takes that has its multiprocessor to itself.
  const double compute =
      4 * block_rows * s.head_dim * keys * gpu.sm_count / (gpu.peak * c.peak_share);
  const double read = kv_bytes * (old_keys + kept * s.query_tokens) / s.length * gpu.sm_count /
                      (gpu.bandwidth * c.read_share);
  const double block_s = std::cbrt(compute * compute * compute + read * read * read);
  const double memory = s.batch * s.kv_heads * kv_bytes / (gpu.bandwidth * c.bandwidth_share);

  const double shortest = s.query_tokens > 1 ? kShortestPrefillSplit : kShortestDecodeSplit;
  double best = 0;
  for (const double split : kSplits) {
    if (split > 1 && s.length / split < shortest) break;
    const Waves waves = waves_of(blocks * split, gpu.sm_count, c.quantisation);
    const double busy = waves.turns * block_s / split;
    const double seconds =
        std::max(busy, memory) + waves.count * c.wave_s + (split > 1 ? c.split_s : 0);
    if (split == 1 || seconds < best) best = seconds;
  }
  return c.launch_s + best;
}

}  // namespace rooftop::predict
