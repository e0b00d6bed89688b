// Joins what the splits of the keys found: a weighted mean, by the sums of their exponentials.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_launch.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kAllLanes;
using gpu::kWarp;

constexpr int kWarps = 4;

// Four dimensions of a lane.
__device__ void add_weighted(float weight, const float4& value, float (&sum)[4]) {
  sum[0] = fmaf(weight, value.x, sum[0]);
  sum[1] = fmaf(weight, value.y, sum[1]);
  sum[2] = fmaf(weight, value.z, sum[2]);
  sum[3] = fmaf(weight, value.w, sum[3]);
}

// A warp per row and head; log sums one split per lane, values four dimensions per lane. Results of
// a split without keys are not read: nobody has written them.
template <typename T>
__global__ void __launch_bounds__(kWarps* kWarp)
    attention_combine(AttentionCall call, std::int64_t row_heads) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t row_head = static_cast<std::int64_t>(blockIdx.x) * kWarps + warp;
  if (row_head >= row_heads) return;
  const float* const log_sums = call.partial_log_sum + partial_index(call, row_head, 0);
  const float* const partial = call.partial + partial_index(call, row_head, 0) * call.head_dim;

  float maximum = -INFINITY;
  for (std::int32_t split = lane; split < call.splits; split += kWarp) {
    maximum = fmaxf(maximum, log_sums[split]);
  }
  maximum = finite_base(gpu::warp_max(maximum));
  for (std::int32_t first_dim = 0; first_dim < call.head_dim; first_dim += 4 * kWarp) {
    const std::int32_t dim = first_dim + 4 * lane;
    float out[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float weight_sum = 0.0f;
    for (std::int32_t first = 0; first < call.splits; first += kWarp) {
      const std::int32_t own = first + lane;
      const float own_weight = own < call.splits ? fast_exp2(log_sums[own] - maximum) : 0.0f;
      const std::int32_t count = min(kWarp, call.splits - first);
#pragma unroll 4
      for (std::int32_t i = 0; i < count; ++i) {
        const float weight = __shfl_sync(kAllLanes, own_weight, i);
        if (weight == 0.0f || dim >= call.head_dim) continue;
        const float* const from =
            partial + static_cast<std::int64_t>(first + i) * call.head_dim + dim;
        add_weighted(weight, *reinterpret_cast<const float4*>(from), out);
        weight_sum += weight;
      }
    }
    if (dim >= call.head_dim) continue;
    const float inverse = weight_sum > 0.0f ? 1.0f / weight_sum : 0.0f;
    T* const to = static_cast<T*>(call.a) + row_head * call.head_dim + dim;
    *reinterpret_cast<uint2*>(to) = make_uint2(gpu::pack2<T>(out[0] * inverse, out[1] * inverse),
                                               gpu::pack2<T>(out[2] * inverse, out[3] * inverse));
  }
}

}  // namespace

void launch_attention_combine(const AttentionCall& call, cudaStream_t stream) {
  check_attention(call);
  const std::int64_t row_heads = static_cast<std::int64_t>(call.step.rows) * call.heads;
  if (row_heads == 0) return;
  gpu::Launch where;
  where.name = "attention_combine";
  where.grid = dim3(static_cast<unsigned>((row_heads + kWarps - 1) / kWarps));
  where.block = dim3(kWarps * kWarp);
  where.stream = stream;
  with_compute_type(call.dtype, [&](auto type) {
    gpu::launch(where, attention_combine<decltype(type)>, call, row_heads);
  });
}

}  // namespace rooftop::inference::cuda
