#include "inference/cuda/attention_plan.h"

#include <algorithm>

#include "inference/cuda/kernel_limits.h"

namespace rooftop::inference::cuda {
namespace {

constexpr std::int64_t kKeyTile = 64;
constexpr std::int64_t kMinSplitKeys = 128;
constexpr std::int64_t kMostSplits = 256;
// Blocks that run on a multiprocessor at a time, as registers allow: decode for up to two rows, and
// for more.
constexpr std::int64_t kDecodeBlocks = 4;
constexpr std::int64_t kDecodeBlocksOfMoreRows = 3;
constexpr std::int64_t kTiledBlocks = 2;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

AttentionPlan plan_attention(std::int32_t batch, std::int32_t most_rows, std::int32_t heads,
                             std::int32_t kv_heads, std::int32_t head_dim,
                             std::int32_t longest_length, std::int32_t multiprocessors) {
  AttentionPlan plan;
  const std::int64_t packed = static_cast<std::int64_t>(most_rows) * (heads / kv_heads);
  const std::int64_t tile_rows = attention_tile_rows(head_dim, packed);
  std::int64_t blocks = static_cast<std::int64_t>(batch) * kv_heads;
  std::int64_t wave = multiprocessors;
  if (packed <= kMostDecodeRows) {
    plan.kernel = AttentionKernel::kDecode;
    wave *= packed <= 2 ? kDecodeBlocks : kDecodeBlocksOfMoreRows;
  } else {
    plan.kernel = AttentionKernel::kTiled;
    wave *= kTiledBlocks;
    blocks *= divide_up(packed, tile_rows);
  }

  // A split writes 4 bytes per row and dimension and has them read again, and reads 4 bytes per key
  // and dimension: with eight keys per row the former stay small.
  const std::int64_t least_keys = std::max(kMinSplitKeys, 8 * std::min(packed, tile_rows));
  std::int64_t splits = 1;
  if (blocks > 0 && blocks < wave) {
    // Two waves, so that a block that ends early leaves work to take.
    splits = std::min({divide_up(2 * wave, blocks), longest_length / least_keys, kMostSplits});
  }
  splits = std::max<std::int64_t>(splits, 1);
  const std::int64_t split_keys = divide_up(divide_up(longest_length, splits), kKeyTile) * kKeyTile;
  splits = std::max<std::int64_t>(divide_up(longest_length, std::max(split_keys, kKeyTile)), 1);

  plan.splits = static_cast<std::int32_t>(splits);
  plan.split_keys = static_cast<std::int32_t>(split_keys);
  if (splits > 1) {
    const std::int64_t results = static_cast<std::int64_t>(batch) * most_rows * heads * splits;
    plan.partial_log_sum_bytes = results * static_cast<std::int64_t>(sizeof(float));
    plan.partial_bytes = plan.partial_log_sum_bytes * head_dim;
  }
  return plan;
}

}  // namespace rooftop::inference::cuda
