// Launches of the bandwidth kernels.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "profiler/roofs/cuda/plan.h"

namespace rooftop::cuda {

inline constexpr unsigned kBlockThreads = 256;

// Buffers of a test: `from` is read and `to` is written; a read writes single elements of `to` only
// where it meets data that are not there, so that no load can be left out.
struct Buffers {
  uint4* from = nullptr;
  uint4* to = nullptr;
};

// Fills with random bits: constant data toggle fewer wires, clock higher and compress.
void launch_fill(uint4* to, std::uint64_t elements, std::uint32_t seed, cudaStream_t stream);

// Standard Gaussian values (int8: times 32) of a type: what a matrix product is timed on.
enum class Value { kBF16, kF16, kF32, kFP8, kInt8 };
void launch_fill_values(Value value, void* to, std::uint64_t count, std::uint32_t seed,
                        cudaStream_t stream);

// One pass of the test with `blocks` blocks.
void launch_pass(const BandwidthTest& test, const Buffers& buffers, unsigned blocks,
                 cudaStream_t stream);

}  // namespace rooftop::cuda
