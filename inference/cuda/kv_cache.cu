// What writes the KV cache: rotation and appending in a step, and noise in place of a prefill.
#include "inference/cuda/kernels.h"
#include "inference/cuda/rows_device.h"

namespace rooftop::inference::cuda {
namespace {

constexpr int kThreads = 128;

// Heads of q, k and v lie one after another in a row of qkv.
template <typename T>
struct RopeProblem {
  const SequenceRows* sequences;
  const std::int32_t* row_sequence;
  int heads;
  int kv_heads;
  int head_dim;
  int max_length;
  const T* qkv;
  const float2* angles;
  T* q;
  T* keys;
  T* values;
};

// A thread takes kWidth values of the first half of a head and those half a head further on.
// gridDim.y blocks share a row.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) rope_kv(RopeProblem<T> problem) {
  const int half = problem.head_dim / 2;
  const int packs = half / kWidth;
  const int pack = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  const int heads = problem.heads + 2 * problem.kv_heads;
  const int head = pack / packs;
  if (head >= heads) return;
  const int at = pack % packs * kWidth;

  const std::int64_t row = blockIdx.x;
  const SequenceRows sequence = problem.sequences[problem.row_sequence[row]];
  const int position =
      sequence.length - sequence.rows + (static_cast<int>(row) - sequence.first_row);

  const T* const from = problem.qkv + ((row * heads + head) * problem.head_dim + at);
  float low[kWidth];
  float high[kWidth];
  Pack<T, kWidth>::read(from, low);
  Pack<T, kWidth>::read(from + half, high);
  const bool rotated = head < problem.heads + problem.kv_heads;  // v is not
  if (rotated) {
    const float2* const angles = problem.angles + (static_cast<std::int64_t>(position) * half + at);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float2 angle = angles[i];
      const float turned = low[i] * angle.x - high[i] * angle.y;
      high[i] = low[i] * angle.y + high[i] * angle.x;
      low[i] = turned;
    }
  }

  T* to = problem.q + ((row * problem.heads + head) * problem.head_dim + at);
  if (head >= problem.heads) {
    const int kv_head = (head - problem.heads) % problem.kv_heads;
    const std::int64_t key =
        (static_cast<std::int64_t>(sequence.slot) * problem.kv_heads + kv_head) *
            problem.max_length +
        position;
    to = (rotated ? problem.keys : problem.values) + (key * problem.head_dim + at);
  }
  Pack<T, kWidth>::write(to, low);
  Pack<T, kWidth>::write(to + half, high);
}

// The finaliser of SplitMix64: every bit of its argument changes half of the result's.
__device__ std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// Standard Gaussian, nearly: the four 16-bit parts of two hashes add up to a sum of eight uniform
// values, less its mean, over its deviation sqrt(8 / 12). In integers, the same everywhere.
__device__ float gaussian(std::uint64_t key, std::uint64_t index) {
  constexpr float kScale = 1.2247449f / 65536.0f;  // sqrt(12 / 8)
  int sum = 8 / 2;                                 // each part stands for the middle of its step
  for (std::uint64_t h = 0; h < 2; ++h) {
    const std::uint64_t bits = mixed(key + (2 * index + h) * 0x9E3779B97F4A7C15ULL);
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      sum += static_cast<int>((bits >> (16 * part)) & 0xFFFF) - 32768;
    }
  }
  return static_cast<float>(sum) * kScale;
}

// A block row per head; the value of an element depends on its head, position and place alone.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) noise(T* cache, int max_length, int head_dim, int begin,
                                                  std::int64_t values, std::uint64_t seed) {
  const std::int64_t at =
      (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * kWidth;
  if (at >= values) return;
  const std::int64_t head = blockIdx.y;
  const std::int64_t in_head = static_cast<std::int64_t>(begin) * head_dim + at;
  const std::uint64_t key = mixed(mixed(seed) + static_cast<std::uint64_t>(head));
  float drawn[kWidth];
#pragma unroll
  for (int i = 0; i < kWidth; ++i)
    drawn[i] = gaussian(key, static_cast<std::uint64_t>(in_head + i));
  Pack<T, kWidth>::write(cache + (head * max_length * head_dim + in_head), drawn);
}

unsigned blocks_for(std::int64_t threads) {
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

template <typename T>
RopeProblem<T> problem_of(const RopeKv& call) {
  return {call.step.sequences,
          call.step.row_sequence,
          call.heads,
          call.kv_heads,
          call.head_dim,
          call.max_length,
          static_cast<const T*>(call.qkv),
          call.angles,
          static_cast<T*>(call.q),
          static_cast<T*>(call.keys),
          static_cast<T*>(call.values)};
}

}  // namespace

void launch_rope_kv(const RopeKv& call, cudaStream_t stream) {
  for_type(call.dtype, [&](auto type) {
    using T = decltype(type);
    for_width(call.head_dim / 2, [&](auto width) {
      const std::int64_t packs =
          static_cast<std::int64_t>(call.heads + 2 * call.kv_heads) * (call.head_dim / 2 / width);
      gpu::Launch where;
      where.name = "rope_kv";
      where.grid = dim3(static_cast<unsigned>(call.step.rows), blocks_for(packs));
      where.block = dim3(kThreads);
      where.stream = stream;
      gpu::launch(where, rope_kv<T, width.value>, problem_of<T>(call));
    });
  });
}

void launch_noise(DType dtype, void* slot_cache, std::int32_t kv_heads, std::int32_t max_length,
                  std::int32_t head_dim, std::int32_t begin, std::int32_t end, std::uint64_t seed,
                  cudaStream_t stream) {
  const std::int64_t values = static_cast<std::int64_t>(end - begin) * head_dim;
  if (values <= 0) return;
  for_type(dtype, [&](auto type) {
    using T = decltype(type);
    for_width(head_dim, [&](auto width) {
      gpu::Launch where;
      where.name = "noise";
      where.grid = dim3(blocks_for(values / width), static_cast<unsigned>(kv_heads));
      where.block = dim3(kThreads);
      where.stream = stream;
      gpu::launch(where, noise<T, width.value>, static_cast<T*>(slot_cache), max_length, head_dim,
                  begin, values, seed);
    });
  });
}

}  // namespace rooftop::inference::cuda
