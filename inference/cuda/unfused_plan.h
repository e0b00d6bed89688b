// Unfused attention as strided-batched matrix products: which calls, with which offsets and
// strides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "inference/backend.h"

namespace rooftop::inference::cuda {

struct HeadShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_length = 0;  // of the KV cache: [slot][g][max_length][d]
};

// `batch` products of M query rows with L keys: scores[M][L] = q[M][d] k[L][d]^T, and later
// a[M][d] = scores[M][L] v[L][d]. Offsets and strides are in elements; q and a are laid out alike,
// [T][n*d].
struct HeadProducts {
  std::int64_t rows = 0;  // M
  std::int64_t keys = 0;  // L
  std::int64_t batch = 0;
  std::int64_t q_offset = 0;
  std::int64_t q_row_stride = 0;
  std::int64_t q_stride = 0;      // from one product of the batch to the next, as the others
  std::int64_t cache_offset = 0;  // in keys and in values; rows of it are d apart
  std::int64_t cache_stride = 0;
  std::int64_t score_offset = 0;  // rows of it are L apart
  std::int64_t score_stride = 0;
};

struct UnfusedPlan {
  std::vector<HeadProducts> products;
  std::vector<std::int64_t> score_offset;  // of each sequence: [n][s_q][L] from there
  std::int64_t score_elements = 0;
};

// One call for a whole decode step of equal lengths in consecutive slots; else one per sequence,
// times n/g where a sequence has several rows and KV heads are shared. The query heads of a KV head
// are rows of one product where that needs no copying.
UnfusedPlan plan_unfused(std::span<const SequenceRows> sequences, const HeadShape& shape);

}  // namespace rooftop::inference::cuda
