// Softmax of unfused attention's scores, in place. A block takes one row of one head and keeps it
// in registers, so that it is read and written once; of rows that are too long for that, the rest
// is read a second time.
//
// A row starts wherever the row before it ended. It is cut into chunks of eight values on 16-byte
// boundaries; the first and the last may be shared with other rows and are accessed value by value.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_launch.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kLog2E;
using gpu::kWarp;

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarp;
constexpr int kKept = 8;  // chunks of a thread in registers: rows up to about 8192 keys

template <typename T>
struct Row {
  T* chunks;             // 16-byte aligned: the row starts `lead` values later
  std::int32_t lead;     // 0 .. 7
  std::int32_t visible;  // values that take part
  std::int32_t length;   // values
  std::int32_t count;    // of chunks

  // Value of the row at which a chunk starts; negative in the first chunk.
  __device__ std::int32_t first_of(std::int32_t chunk) const { return chunk * 8 - lead; }
  __device__ bool whole(std::int32_t chunk) const {
    return first_of(chunk) >= 0 && first_of(chunk) + 8 <= length;
  }
};

template <typename T>
__device__ Row<T> row_at(T* start, std::int32_t visible, std::int32_t length) {
  const auto lead = static_cast<std::int32_t>(reinterpret_cast<std::uintptr_t>(start) % 16 / 2);
  return {start - lead, lead, visible, length, (lead + length + 7) / 8};
}

// A chunk's values; -inf for those outside the row and those that take no part.
template <typename T>
__device__ void load_chunk(const Row<T>& row, std::int32_t chunk, float (&values)[8]) {
  const std::int32_t first = row.first_of(chunk);
  if (row.whole(chunk) && first < row.visible) {
    gpu::unpack8<T>(*reinterpret_cast<const uint4*>(row.chunks + chunk * 8), values);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] = first + i < row.visible ? values[i] : -INFINITY;
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::int32_t at = first + i;
    values[i] = at >= 0 && at < row.visible ? gpu::to_float(row.chunks[chunk * 8 + i]) : -INFINITY;
  }
}

template <typename T>
__device__ void store_chunk(const Row<T>& row, std::int32_t chunk, const float (&values)[8]) {
  if (row.whole(chunk)) {
    *reinterpret_cast<uint4*>(row.chunks + chunk * 8) = gpu::pack8<T>(values);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::int32_t at = row.first_of(chunk) + i;
    if (at >= 0 && at < row.length) row.chunks[chunk * 8 + i] = gpu::from_float<T>(values[i]);
  }
}

__device__ float largest(const float (&values)[8]) {
  float maximum = values[0];
#pragma unroll
  for (int i = 1; i < 8; ++i) maximum = fmaxf(maximum, values[i]);
  return maximum;
}

// Replaces values by their exponentials relative to `base`, and returns the sum.
__device__ float exponentiate(float base, float (&values)[8]) {
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    values[i] = fast_exp2(fmaf(values[i], kLog2E, -base));
    sum += values[i];
  }
  return sum;
}

__device__ void scale_values(float factor, float (&values)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] *= factor;
}

// `combine` of all threads' values, in every thread.
template <typename WarpCombine, typename Combine>
__device__ float over_block(float x, float* of_warps, WarpCombine warp_combine, Combine combine) {
  x = warp_combine(x);
  if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = x;
  __syncthreads();
  float all = of_warps[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) all = combine(all, of_warps[warp]);
  return all;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    softmax(StepRows step, const std::int64_t* score_offset, T* scores) {
  ROOFTOP_SHARED(float, warp_maxima, [kWarps]);
  ROOFTOP_SHARED(float, warp_sums, [kWarps]);
  const auto step_row = static_cast<std::int32_t>(blockIdx.x);
  const auto head = static_cast<std::int32_t>(blockIdx.y);
  const std::int32_t index = step.row_sequence[step_row];
  const SequenceRows sequence = step.sequences[index];
  const std::int32_t r = step_row - sequence.first_row;
  const std::int64_t score_row = static_cast<std::int64_t>(head) * sequence.rows + r;
  const std::int32_t visible = sequence.length - sequence.rows + r + 1;
  const Row<T> row =
      row_at(scores + score_offset[index] + score_row * sequence.length, visible, sequence.length);
  const auto thread = static_cast<std::int32_t>(threadIdx.x);

  float kept[kKept][8];
  float maximum = -INFINITY;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    const std::int32_t chunk = thread + i * kThreads;
    if (chunk >= row.count) continue;
    load_chunk(row, chunk, kept[i]);
    maximum = fmaxf(maximum, largest(kept[i]));
  }
  float values[8];
  for (std::int32_t chunk = thread + kKept * kThreads; chunk < row.count; chunk += kThreads) {
    load_chunk(row, chunk, values);
    maximum = fmaxf(maximum, largest(values));
  }
  maximum = over_block(
      maximum, warp_maxima, [](float x) { return gpu::warp_max(x); },
      [](float a, float b) { return fmaxf(a, b); });

  const float base = finite_base(maximum) * kLog2E;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    if (thread + i * kThreads < row.count) sum += exponentiate(base, kept[i]);
  }
  for (std::int32_t chunk = thread + kKept * kThreads; chunk < row.count; chunk += kThreads) {
    load_chunk(row, chunk, values);
    sum += exponentiate(base, values);
  }
  sum = over_block(
      sum, warp_sums, [](float x) { return gpu::warp_sum(x); },
      [](float a, float b) { return a + b; });

  const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    const std::int32_t chunk = thread + i * kThreads;
    if (chunk >= row.count) continue;
    scale_values(inverse, kept[i]);
    store_chunk(row, chunk, kept[i]);
  }
  for (std::int32_t chunk = thread + kKept * kThreads; chunk < row.count; chunk += kThreads) {
    load_chunk(row, chunk, values);
    exponentiate(base, values);
    scale_values(inverse, values);
    store_chunk(row, chunk, values);
  }
}

}  // namespace

void launch_softmax(DType dtype, const StepRows& step, std::int32_t heads,
                    const std::int64_t* score_offset, void* scores, cudaStream_t stream) {
  if (step.rows == 0) return;
  gpu::Launch where;
  where.name = "softmax";
  where.grid = dim3(static_cast<unsigned>(step.rows), static_cast<unsigned>(heads));
  where.block = dim3(kThreads);
  where.stream = stream;
  with_compute_type(dtype, [&](auto type) {
    using T = decltype(type);
    gpu::launch(where, softmax<T>, step, score_offset, static_cast<T*>(scores));
  });
}

}  // namespace rooftop::inference::cuda
