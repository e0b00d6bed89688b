// How a step's attention is shared out over the GPU: which kernel, and over how many blocks the
// keys of a sequence are split. Depends on the step's shape alone, so that a captured graph keeps
// it.
#pragma once

#include <cstdint>

namespace rooftop::inference::cuda {

enum class AttentionKernel : std::uint8_t { kDecode, kTiled };

struct AttentionPlan {
  AttentionKernel kernel = AttentionKernel::kTiled;
  // As in AttentionCall: splits * split_keys >= longest_length, split_keys a multiple of 64.
  std::int32_t splits = 1;
  std::int32_t split_keys = 0;
  // Of AttentionCall::partial and partial_log_sum for batch * most_rows rows; 0 with one split.
  std::int64_t partial_bytes = 0;
  std::int64_t partial_log_sum_bytes = 0;
};

// For steps of `batch` sequences of up to `most_rows` new rows, and of up to `longest_length` keys.
AttentionPlan plan_attention(std::int32_t batch, std::int32_t most_rows, std::int32_t heads,
                             std::int32_t kv_heads, std::int32_t head_dim,
                             std::int32_t longest_length, std::int32_t multiprocessors);

// Packed rows in a tile of launch_attention_tiled. 128 feed the tensor cores best; of head sizes
// for which registers do not suffice, and of fewer rows, 64; 16 where the warps share out the keys.
constexpr std::int64_t attention_tile_rows(std::int32_t head_dim, std::int64_t packed_rows) {
  if (packed_rows <= 16 && head_dim <= 128) return 16;
  return packed_rows > 64 && head_dim > 16 && head_dim <= 128 ? 128 : 64;
}

}  // namespace rooftop::inference::cuda
