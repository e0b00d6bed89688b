// The one header that kernels include. nvcc compiles it to CUDA and inline PTX; any other compiler
// gets the host executor (tests/host_executor), which runs the same source on the CPU: there a CUDA
// thread is a fiber, and every primitive below has an exact host version.
//
// Kernels use CUDA's own names (threadIdx, __syncthreads, __shfl_xor_sync, ...) and, for what is no
// function in CUDA C++, those of this header:
//   ROOFTOP_SHARED(float, sums, [8]);        a static shared array
//   ROOFTOP_DYNAMIC_SHARED(memory);          then memory.take<T>(count): carves dynamic shared
//   memory gpu::launch(Launch{...}, kernel, args)   in place of <<<>>>
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define ROOFTOP_HOST_DEVICE __host__ __device__
#else
#define ROOFTOP_HOST_DEVICE
#endif

namespace rooftop::gpu {

using bf16 = __nv_bfloat16;
using f16 = __half;

// Where and how large a kernel runs.
struct Launch {
  const char* name = "";  // for messages
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  // dynamic shared memory, shared_bytes() of what the kernel takes
  cudaStream_t stream = nullptr;
};

inline constexpr std::size_t kSharedAlignment = 128;  // of each array in dynamic shared memory

// Dynamic shared memory that an array of `count` T occupies.
template <typename T>
ROOFTOP_HOST_DEVICE constexpr std::size_t shared_bytes(std::size_t count) {
  return (count * sizeof(T) + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
}

}  // namespace rooftop::gpu

#if defined(__CUDACC__)
#include "profiler/roofs/cuda/gpu_device.h"
#elif defined(ROOFTOP_HOST_EXECUTOR)
#include "tests/host_executor/cuda_on_host.h"
#else
#error "Kernels are compiled by nvcc, or for the host executor with ROOFTOP_HOST_EXECUTOR defined."
#endif

#include "profiler/roofs/cuda/gpu_numeric.h"
