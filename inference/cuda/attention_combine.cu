// Joins what the splits of the keys found: a weighted mean, by the sums of their exponentials.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_launch.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kWarp;

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kSplitsInFlight = 8;  // of a warp
constexpr int kLaneDims = 4;        // 16 bytes

// The logarithm of the largest sum of a row, in every lane.
__device__ float largest_log_sum(const float* log_sums, std::int32_t splits, int lane) {
  float maximum = -INFINITY;
  for (std::int32_t split = lane; split < splits; split += kWarp) {
    maximum = fmaxf(maximum, log_sums[split]);
  }
  return gpu::warp_max(maximum);
}

// A lane's dimensions of the splits of its warp, every kWarps-th from `first` on: adds to `out`
// their weighted sum and to `weight_sum` the weights. Results of a split without keys have weight 0
// and are not read: nobody has written them.
__device__ void add_splits(const float* log_sums, const float* partial, std::int32_t splits,
                           std::int32_t head_dim, std::int32_t first, float base, float (&out)[4],
                           float& weight_sum) {
  float weights[kSplitsInFlight];
  float4 values[kSplitsInFlight];
#pragma unroll
  for (int i = 0; i < kSplitsInFlight; ++i) {
    const std::int32_t split = first + i * kWarps;
    weights[i] = split < splits ? fast_exp2(log_sums[split] - base) : 0.0f;
  }
#pragma unroll
  for (int i = 0; i < kSplitsInFlight; ++i) {
    const std::int64_t at = static_cast<std::int64_t>(first + i * kWarps) * head_dim;
    values[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (weights[i] > 0.0f) values[i] = *reinterpret_cast<const float4*>(partial + at);
  }
#pragma unroll
  for (int i = 0; i < kSplitsInFlight; ++i) {
    weight_sum += weights[i];
    out[0] = fmaf(weights[i], values[i].x, out[0]);
    out[1] = fmaf(weights[i], values[i].y, out[1]);
    out[2] = fmaf(weights[i], values[i].z, out[2]);
    out[3] = fmaf(weights[i], values[i].w, out[3]);
  }
}

// A block per row and head; its warps share out the splits.
template <typename T>
__global__ void __launch_bounds__(kThreads) attention_combine(AttentionCall call) {
  ROOFTOP_SHARED(float, warp_out, [kWarps * kMostHeadDim]);
  ROOFTOP_SHARED(float, warp_weight, [kWarps]);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t row_head = static_cast<std::int64_t>(blockIdx.x) * call.heads + blockIdx.y;
  const std::int64_t index = partial_index(call, row_head, 0);
  const float* const log_sums = call.partial_log_sum + index;
  const float base = finite_base(largest_log_sum(log_sums, call.splits, lane));

  for (std::int32_t dim = lane * kLaneDims; dim < call.head_dim; dim += kWarp * kLaneDims) {
    float out[kLaneDims] = {0.0f, 0.0f, 0.0f, 0.0f};
    float weight_sum = 0.0f;
    for (std::int32_t first = warp; first < call.splits; first += kWarps * kSplitsInFlight) {
      add_splits(log_sums, call.partial + index * call.head_dim + dim, call.splits, call.head_dim,
                 first, base, out, weight_sum);
    }
#pragma unroll
    for (int i = 0; i < kLaneDims; ++i) warp_out[warp * kMostHeadDim + dim + i] = out[i];
    if (dim == 0) warp_weight[warp] = weight_sum;
  }
  __syncthreads();

  float weight_sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) weight_sum += warp_weight[i];
  const float inverse = weight_sum > 0.0f ? 1.0f / weight_sum : 0.0f;
  const std::int32_t dim = static_cast<std::int32_t>(threadIdx.x) * 2;
  if (dim >= call.head_dim) return;
  float2 out = make_float2(0.0f, 0.0f);
#pragma unroll
  for (int i = 0; i < kWarps; ++i) {
    out.x += warp_out[i * kMostHeadDim + dim];
    out.y += warp_out[i * kMostHeadDim + dim + 1];
  }
  *reinterpret_cast<std::uint32_t*>(static_cast<T*>(call.a) + row_head * call.head_dim + dim) =
      gpu::pack2<T>(out.x * inverse, out.y * inverse);
}
static_assert(kThreads * 2 >= kMostHeadDim);

}  // namespace

void launch_attention_combine(const AttentionCall& call, cudaStream_t stream) {
  check_attention(call);
  if (call.step.rows == 0) return;
  gpu::Launch where;
  where.name = "attention_combine";
  where.grid = dim3(static_cast<unsigned>(call.step.rows), static_cast<unsigned>(call.heads));
  where.block = dim3(kThreads);
  where.stream = stream;
  with_compute_type(
      call.dtype, [&](auto type) { gpu::launch(where, attention_combine<decltype(type)>, call); });
}

}  // namespace rooftop::inference::cuda
