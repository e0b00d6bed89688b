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

// Eight values that take no part.
template <typename T>
__device__ uint4 nothing() {
  const std::uint32_t pair = gpu::pack2<T>(-INFINITY, -INFINITY);
  return make_uint4(pair, pair, pair, pair);
}

// A chunk that lies in the row as a whole, as it is stored: its last values may be masked ones.
template <typename T>
__device__ uint4 load_whole_chunk(const Row<T>& row, std::int32_t chunk) {
  if (!row.whole(chunk) || row.first_of(chunk) >= row.visible) return nothing<T>();
  return *reinterpret_cast<const uint4*>(row.chunks + chunk * 8);
}

// `loaded` by load_whole_chunk, or the values of a chunk that the row shares; without the masked.
template <typename T>
__device__ uint4 complete_chunk(const Row<T>& row, std::int32_t chunk, const uint4& loaded) {
  const std::int32_t first = row.first_of(chunk);
  const bool whole = row.whole(chunk);
  if (whole && first + 8 <= row.visible) return loaded;
  float values[8];
  gpu::unpack8<T>(loaded, values);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::int32_t at = first + i;
    if (at < 0 || at >= row.visible) {
      values[i] = -INFINITY;
    } else if (!whole) {
      values[i] = gpu::to_float(row.chunks[chunk * 8 + i]);
    }
  }
  return gpu::pack8<T>(values);
}

template <typename T>
__device__ uint4 load_chunk(const Row<T>& row, std::int32_t chunk) {
  return complete_chunk(row, chunk, load_whole_chunk(row, chunk));
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

template <typename T>
__device__ float largest(const uint4& chunk) {
  float values[8];
  gpu::unpack8<T>(chunk, values);
  float maximum = values[0];
#pragma unroll
  for (int i = 1; i < 8; ++i) maximum = fmaxf(maximum, values[i]);
  return maximum;
}

// The exponentials of a chunk's values relative to `base`.
template <typename T>
__device__ void exponentials(const uint4& chunk, float base, float (&values)[8]) {
  gpu::unpack8<T>(chunk, values);
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = fast_exp2(fmaf(values[i], kLog2E, -base));
}

template <typename T>
__device__ float sum_of_exponentials(const uint4& chunk, float base) {
  float values[8];
  exponentials<T>(chunk, base, values);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < 8; ++i) sum += values[i];
  return sum;
}

template <typename T>
__device__ void store_softmax(const Row<T>& row, std::int32_t chunk, const uint4& loaded,
                              float base, float inverse) {
  float values[8];
  exponentials<T>(loaded, base, values);
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] *= inverse;
  store_chunk(row, chunk, values);
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

  // All loads are on their way before the first is used.
  uint4 kept[kKept];
#pragma unroll
  for (int i = 0; i < kKept; ++i) kept[i] = load_whole_chunk(row, thread + i * kThreads);
  float maximum = -INFINITY;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    const std::int32_t chunk = thread + i * kThreads;
    if (chunk >= row.count) continue;
    kept[i] = complete_chunk(row, chunk, kept[i]);
    maximum = fmaxf(maximum, largest<T>(kept[i]));
  }
  const std::int32_t first_again = thread + kKept * kThreads;  // of the chunks that are not kept
  for (std::int32_t chunk = first_again; chunk < row.count; chunk += kThreads) {
    maximum = fmaxf(maximum, largest<T>(load_chunk(row, chunk)));
  }
  maximum = over_block(
      maximum, warp_maxima, [](float x) { return gpu::warp_max(x); },
      [](float a, float b) { return fmaxf(a, b); });

  const float base = finite_base(maximum) * kLog2E;
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    if (thread + i * kThreads < row.count) sum += sum_of_exponentials<T>(kept[i], base);
  }
  for (std::int32_t chunk = first_again; chunk < row.count; chunk += kThreads) {
    sum += sum_of_exponentials<T>(load_chunk(row, chunk), base);
  }
  sum = over_block(
      sum, warp_sums, [](float x) { return gpu::warp_sum(x); },
      [](float a, float b) { return a + b; });

  const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
#pragma unroll
  for (int i = 0; i < kKept; ++i) {
    const std::int32_t chunk = thread + i * kThreads;
    if (chunk < row.count) store_softmax(row, chunk, kept[i], base, inverse);
  }
  for (std::int32_t chunk = first_again; chunk < row.count; chunk += kThreads) {
    store_softmax(row, chunk, load_chunk(row, chunk), base, inverse);
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
