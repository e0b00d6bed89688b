// What is done to rows of activations between the products: bound by reading and writing them once.
#include <cmath>

#include "inference/cuda/kernels.h"
#include "inference/cuda/rows_device.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kAllLanes;
using gpu::kWarp;

constexpr int kThreads = 256;
constexpr int kArgmaxThreads = 1024;

// This thread's place among those of a row that spans gridDim.y blocks.
__device__ int thread_of_row() { return static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); }

// A grid with `packs` threads for each row.
gpu::Launch over_packs(const char* name, std::int32_t rows, std::int32_t packs,
                       cudaStream_t stream) {
  gpu::Launch where;
  where.name = name;
  where.grid =
      dim3(static_cast<unsigned>(rows), static_cast<unsigned>((packs + kThreads - 1) / kThreads));
  where.block = dim3(kThreads);
  where.stream = stream;
  return where;
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    embed(const T* table, const std::int32_t* tokens, int hidden, T* x) {
  const int at = thread_of_row() * kWidth;
  if (at >= hidden) return;
  // A step may be under way already when the loop learns that there was no finite logit (-1).
  const std::int64_t token = max(tokens[blockIdx.x], 0);
  float values[kWidth];
  Pack<T, kWidth>::read(table + (token * hidden + at), values);
  Pack<T, kWidth>::write(x + (static_cast<std::int64_t>(blockIdx.x) * hidden + at), values);
}

// The sum over the block, in every thread. All threads must call.
__device__ float block_sum(float x) {
  ROOFTOP_SHARED(float, sums, [kThreads / kWarp]);
  const float sum = gpu::warp_sum(x);
  if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = sum;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int w = 0; w < kThreads / kWarp; ++w) total += sums[w];
  return total;
}

// A block per row. y may be x: a thread writes only what it alone has read, after the barrier.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    rms_norm(const T* x, const T* weight, float eps, const std::int32_t* row_index, int hidden,
             T* y) {
  const std::int64_t row =
      row_index == nullptr ? static_cast<std::int64_t>(blockIdx.x) : row_index[blockIdx.x];
  const T* const from = x + row * hidden;
  T* const to = y + static_cast<std::int64_t>(blockIdx.x) * hidden;
  const int first = static_cast<int>(threadIdx.x) * kWidth;
  float values[kWidth];
  float squares = 0;
  for (int i = first; i < hidden; i += kThreads * kWidth) {
    Pack<T, kWidth>::read(from + i, values);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) squares = fmaf(values[j], values[j], squares);
  }
  const float scale = rsqrtf(block_sum(squares) / static_cast<float>(hidden) + eps);
  // L1 still has the row.
  for (int i = first; i < hidden; i += kThreads * kWidth) {
    float by[kWidth];
    Pack<T, kWidth>::read(from + i, values);
    Pack<T, kWidth>::read(weight + i, by);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) values[j] = values[j] * scale * by[j];
    Pack<T, kWidth>::write(to + i, values);
  }
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) swiglu(const T* gate_up, int ffn, T* g) {
  const int at = thread_of_row() * kWidth;
  if (at >= ffn) return;
  const std::int64_t row = blockIdx.x;
  float gate[kWidth];
  float up[kWidth];
  Pack<T, kWidth>::read(gate_up + (row * 2 * ffn + at), gate);
  Pack<T, kWidth>::read(gate_up + (row * 2 * ffn + ffn + at), up);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) gate[j] = gate[j] / (1.0f + expf(-gate[j])) * up[j];
  Pack<T, kWidth>::write(g + (row * ffn + at), gate);
}

// The best logit so far. Joining is commutative, so that the order of threads does not matter.
struct Best {
  float logit = -INFINITY;
  int index = -1;
  int finite = 1;

  __device__ void join(float other_logit, int other_index, int other_finite) {
    // The unsigned comparison lets "none yet" (-1) lose against any index.
    const bool first_of_equals =
        other_logit == logit && static_cast<unsigned>(other_index) < static_cast<unsigned>(index);
    if (other_logit > logit || first_of_equals) {
      logit = other_logit;
      index = other_index;
    }
    finite &= other_finite;
  }

  __device__ void join_logit(float other, int other_index) {
    join(other, other_index, isfinite(other) ? 1 : 0);
  }

  // All lanes must call.
  __device__ void join_warp() {
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      const float other_logit = __shfl_xor_sync(kAllLanes, logit, distance);
      const int other_index = __shfl_xor_sync(kAllLanes, index, distance);
      const int other_finite = __shfl_xor_sync(kAllLanes, finite, distance);
      join(other_logit, other_index, other_finite);
    }
  }
};

// A block per row.
template <bool kAligned>
__global__ void __launch_bounds__(kArgmaxThreads)
    argmax(const float* logits, int vocab, std::int32_t* out) {
  constexpr int kWarps = kArgmaxThreads / kWarp;
  ROOFTOP_SHARED(float, warp_logit, [kWarps]);
  ROOFTOP_SHARED(int, warp_index, [kWarps]);
  ROOFTOP_SHARED(int, warp_finite, [kWarps]);
  const float* const row = logits + static_cast<std::int64_t>(blockIdx.x) * vocab;
  const int thread = static_cast<int>(threadIdx.x);
  Best best;
  if constexpr (kAligned) {
#pragma unroll 4
    for (int i = thread * 4; i < vocab; i += kArgmaxThreads * 4) {
      const float4 four = *reinterpret_cast<const float4*>(row + i);
      best.join_logit(four.x, i);
      best.join_logit(four.y, i + 1);
      best.join_logit(four.z, i + 2);
      best.join_logit(four.w, i + 3);
    }
  } else {
    for (int i = thread; i < vocab; i += kArgmaxThreads) best.join_logit(row[i], i);
  }
  best.join_warp();
  if (thread % kWarp == 0) {
    warp_logit[thread / kWarp] = best.logit;
    warp_index[thread / kWarp] = best.index;
    warp_finite[thread / kWarp] = best.finite;
  }
  __syncthreads();
  if (thread >= kWarp) return;
  static_assert(kWarps == kWarp, "the first warp takes one of each");
  best = Best{warp_logit[thread], warp_index[thread], warp_finite[thread]};
  best.join_warp();
  if (thread == 0) out[blockIdx.x] = best.finite != 0 ? best.index : -1;
}

gpu::Launch block_per_row(const char* name, std::int32_t rows, int threads, cudaStream_t stream) {
  gpu::Launch where;
  where.name = name;
  where.grid = dim3(static_cast<unsigned>(rows));
  where.block = dim3(static_cast<unsigned>(threads));
  where.stream = stream;
  return where;
}

}  // namespace

void launch_embed(DType dtype, const void* table, const std::int32_t* tokens, std::int32_t rows,
                  std::int32_t hidden, void* x, cudaStream_t stream) {
  for_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(hidden, [&](auto width) {
      gpu::launch(over_packs("embed", rows, hidden / width.value, stream), embed<T, width.value>,
                  static_cast<const T*>(table), tokens, hidden, static_cast<T*>(x));
    });
  });
}

void launch_rms_norm(DType dtype, const void* x, const void* weight, float eps,
                     const std::int32_t* row_index, std::int32_t rows, std::int32_t hidden, void* y,
                     cudaStream_t stream) {
  for_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(hidden, [&](auto width) {
      gpu::launch(block_per_row("rms_norm", rows, kThreads, stream), rms_norm<T, width.value>,
                  static_cast<const T*>(x), static_cast<const T*>(weight), eps, row_index, hidden,
                  static_cast<T*>(y));
    });
  });
}

void launch_swiglu(DType dtype, const void* gate_up, std::int32_t rows, std::int32_t ffn, void* g,
                   cudaStream_t stream) {
  for_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(ffn, [&](auto width) {
      gpu::launch(over_packs("swiglu", rows, ffn / width.value, stream), swiglu<T, width.value>,
                  static_cast<const T*>(gate_up), ffn, static_cast<T*>(g));
    });
  });
}

void launch_argmax(const float* logits, std::int32_t rows, std::int32_t vocab, std::int32_t* out,
                   cudaStream_t stream) {
  const gpu::Launch where = block_per_row("argmax", rows, kArgmaxThreads, stream);
  if (vocab % 4 == 0) {
    gpu::launch(where, argmax<true>, logits, vocab, out);
  } else {
    gpu::launch(where, argmax<false>, logits, vocab, out);
  }
}

}  // namespace rooftop::inference::cuda
