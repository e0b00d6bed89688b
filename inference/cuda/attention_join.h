// The end of a block whose warps took different keys of the same rows.
#pragma once

#include "inference/cuda/attention_device.h"

namespace rooftop::inference::cuda {

// What each warp found, in shared memory.
struct WarpResults {
  float* out;      // [warps][rows][dimensions]: sums of values, weighted relative to the maximum
  float* maximum;  // [warps][rows], of the scores in powers of two; -inf: no keys
  float* sum;      // [warps][rows], of the weights
};

// Joins the results for `count` packed rows from `first` on, and writes them. After a barrier, by
// every thread of the block.
template <typename T, int kWarps, int kRows, int kDim>
__device__ void join_warps(const AttentionCall& call, const PackedRows& packed, std::int32_t first,
                           std::int32_t count, std::int32_t split, const WarpResults& results) {
  const std::int32_t pairs = call.head_dim / 2;
  for (auto i = static_cast<std::int32_t>(threadIdx.x); i < count * pairs;
       i += static_cast<std::int32_t>(blockDim.x)) {
    const std::int32_t row = i / pairs;
    const std::int32_t dim = i % pairs * 2;
    float maximum = -INFINITY;
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      maximum = fmaxf(maximum, results.maximum[warp * kRows + row]);
    }
    float sum = 0.0f;
    float2 out = make_float2(0.0f, 0.0f);
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      const float* const of_warp = results.out + (warp * kRows + row) * kDim + dim;
      const float weight = fast_exp2(results.maximum[warp * kRows + row] - finite_base(maximum));
      sum += weight * results.sum[warp * kRows + row];
      out.x += weight * of_warp[0];
      out.y += weight * of_warp[1];
    }
    const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
    const std::int64_t row_head = packed.row_head(call, first + row);
    if (call.splits == 1) {
      *reinterpret_cast<std::uint32_t*>(static_cast<T*>(call.a) + row_head * call.head_dim + dim) =
          gpu::pack2<T>(out.x * inverse, out.y * inverse);
      continue;
    }
    const std::int64_t index = partial_index(call, row_head, split);
    *reinterpret_cast<float2*>(call.partial + index * call.head_dim + dim) =
        make_float2(out.x * inverse, out.y * inverse);
    if (dim == 0) call.partial_log_sum[index] = sum > 0.0f ? maximum + log2f(sum) : -INFINITY;
  }
}

}  // namespace rooftop::inference::cuda
