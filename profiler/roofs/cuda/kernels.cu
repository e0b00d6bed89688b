#include "profiler/roofs/cuda/kernels.h"

#include <cuda_fp8.h>

#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::cuda {
namespace {

// Loads in flight of one thread: with 16 bytes each, enough for the latency of HBM at full speed.
constexpr int kUnroll = 4;

__device__ std::uint64_t first_element() {
  return blockIdx.x * static_cast<std::uint64_t>(blockDim.x) + threadIdx.x;
}
__device__ std::uint64_t grid_threads() {
  return gridDim.x * static_cast<std::uint64_t>(blockDim.x);
}

// Mixes all bits of its argument (the finaliser of MurmurHash3).
__device__ std::uint32_t mixed(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

__device__ uint4 random_element(std::uint64_t i, std::uint32_t seed) {
  const auto x = static_cast<std::uint32_t>(i) * 4 + seed;
  return make_uint4(mixed(x), mixed(x + 1), mixed(x + 2), mixed(x + 3));
}

__global__ void fill_kernel(uint4* to, std::uint64_t elements, std::uint32_t seed) {
  for (std::uint64_t i = first_element(); i < elements; i += grid_threads()) {
    to[i] = random_element(i, seed);
  }
}

// A sum of 32 random bits is binomial: mean 16, variance 8, close to a Gaussian; a fraction makes
// it continuous.
__device__ float gaussian(std::uint64_t i, std::uint32_t seed) {
  const auto x = static_cast<std::uint32_t>(i) * 2 + seed * 0x9E3779B9u;
  const float sum = static_cast<float>(__popc(mixed(x))) - 16.0f;
  const float rest = static_cast<float>(mixed(x + 1)) * 0x1p-32f - 0.5f;
  constexpr float kScale = 0.351732f;  // 1 / sqrt(8 + 1/12)
  return (sum + rest) * kScale;
}

__device__ void store(float x, gpu::bf16* to) { *to = __float2bfloat16_rn(x); }
__device__ void store(float x, gpu::f16* to) { *to = __float2half_rn(x); }
__device__ void store(float x, float* to) { *to = x; }
__device__ void store(float x, __nv_fp8_e4m3* to) { *to = __nv_fp8_e4m3(x); }
__device__ void store(float x, std::int8_t* to) {
  *to = static_cast<std::int8_t>(fminf(fmaxf(rintf(32 * x), -127.0f), 127.0f));
}

template <typename T>
__global__ void fill_values_kernel(T* to, std::uint64_t count, std::uint32_t seed) {
  for (std::uint64_t i = first_element(); i < count; i += grid_threads()) {
    store(gaussian(i, seed), to + i);
  }
}

// Adds up what was read: the loads have a use.
__device__ void add(uint4& sum, const uint4& x) {
  sum.x += x.x;
  sum.y ^= x.y;
  sum.z += x.z;
  sum.w ^= x.w;
}

// Reads through L2 only: __ldcg does not keep lines in L1.
__global__ void read_kernel(const uint4* from, uint4* to, std::uint64_t elements,
                            std::uint64_t accesses) {
  const std::uint64_t stride = grid_threads();
  const std::uint64_t step = stride % elements;
  std::uint64_t at = first_element() % elements;
  uint4 sum = make_uint4(0, 0, 0, 0);
  std::uint64_t i = first_element();
  for (; i + (kUnroll - 1) * stride < accesses; i += kUnroll * stride) {
    uint4 x[kUnroll];
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) {
      x[k] = __ldcg(from + at);
      at = next_element(at, step, elements);
    }
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) add(sum, x[k]);
  }
  for (; i < accesses; i += stride) {
    add(sum, __ldcg(from + at));
    at = next_element(at, step, elements);
  }
  // Random data meet this in one of 2^128 threads.
  if ((sum.x & sum.y & sum.z & sum.w) == 0xFFFFFFFFu) to[0] = sum;
}

__global__ void write_kernel(uint4* to, std::uint64_t elements, std::uint64_t accesses) {
  const std::uint64_t stride = grid_threads();
  const std::uint64_t step = stride % elements;
  std::uint64_t at = first_element() % elements;
  // Random bits that differ from thread to thread and from store to store, at the price of an add.
  uint4 x = random_element(first_element(), 7);
  for (std::uint64_t i = first_element(); i < accesses; i += stride) {
    x.x += 0x9E3779B9u;
    __stcg(to + at, x);
    at = next_element(at, step, elements);
  }
}

__global__ void copy_kernel(const uint4* from, uint4* to, std::uint64_t elements) {
  const std::uint64_t stride = grid_threads();
  std::uint64_t i = first_element();
  for (; i + (kUnroll - 1) * stride < elements; i += kUnroll * stride) {
    uint4 x[kUnroll];
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) x[k] = __ldcg(from + i + k * stride);
#pragma unroll
    for (int k = 0; k < kUnroll; ++k) __stcg(to + i + k * stride, x[k]);
  }
  for (; i < elements; i += stride) __stcg(to + i, __ldcg(from + i));
}

// Enough to fill any GPU; count is not 0.
unsigned fill_blocks(std::uint64_t count) {
  const std::uint64_t blocks = (count + kBlockThreads - 1) / kBlockThreads;
  return static_cast<unsigned>(blocks < 1024 ? blocks : 1024);
}

}  // namespace

void launch_fill(uint4* to, std::uint64_t elements, std::uint32_t seed, cudaStream_t stream) {
  gpu::launch({"fill", fill_blocks(elements), kBlockThreads, 0, stream}, fill_kernel, to, elements,
              seed);
}

void launch_fill_values(Value value, void* to, std::uint64_t count, std::uint32_t seed,
                        cudaStream_t stream) {
  const gpu::Launch where{"fill_values", fill_blocks(count), kBlockThreads, 0, stream};
  switch (value) {
    case Value::kBF16:
      return gpu::launch(where, fill_values_kernel<gpu::bf16>, static_cast<gpu::bf16*>(to), count,
                         seed);
    case Value::kF16:
      return gpu::launch(where, fill_values_kernel<gpu::f16>, static_cast<gpu::f16*>(to), count,
                         seed);
    case Value::kF32:
      return gpu::launch(where, fill_values_kernel<float>, static_cast<float*>(to), count, seed);
    case Value::kFP8:
      return gpu::launch(where, fill_values_kernel<__nv_fp8_e4m3>, static_cast<__nv_fp8_e4m3*>(to),
                         count, seed);
    case Value::kInt8:
      return gpu::launch(where, fill_values_kernel<std::int8_t>, static_cast<std::int8_t*>(to),
                         count, seed);
  }
}

void launch_pass(const BandwidthTest& test, const Buffers& buffers, unsigned blocks,
                 cudaStream_t stream) {
  const gpu::Launch where{test.kind, blocks, kBlockThreads, 0, stream};
  switch (test.access) {
    case Access::kRead:
      return gpu::launch(where, read_kernel, buffers.from, buffers.to, test.elements,
                         test.accesses());
    case Access::kWrite:
      return gpu::launch(where, write_kernel, buffers.to, test.elements, test.accesses());
    case Access::kCopy:
      return gpu::launch(where, copy_kernel, buffers.from, buffers.to, test.elements);
  }
}

}  // namespace rooftop::cuda
