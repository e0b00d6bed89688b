// Host side of the attention launches: checks, and the choice of an instance by type.
#pragma once

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "inference/cuda/kernels.h"
#include "profiler/core/error.h"
#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::inference::cuda {

inline constexpr std::int32_t kMostHeadDim = 256;

inline void check_attention(const AttentionCall& call) {
  if (call.head_dim < 8 || call.head_dim > kMostHeadDim || call.head_dim % 8 != 0) {
    throw InputError("The CUDA attention kernels need a head size that is a multiple of 8 up to " +
                     std::to_string(kMostHeadDim) + "; this model's is " +
                     std::to_string(call.head_dim) + ".");
  }
  if (call.kv_heads < 1 || call.heads % call.kv_heads != 0) {
    throw InputError("The model's " + std::to_string(call.heads) +
                     " heads cannot be shared out evenly over " + std::to_string(call.kv_heads) +
                     " KV heads.");
  }
  const std::int64_t group = call.heads / call.kv_heads;
  if (call.step.most_rows * group * group > std::numeric_limits<std::int32_t>::max()) {
    throw InputError("A step of " + std::to_string(call.step.most_rows) +
                     " rows of a sequence is too large for the CUDA attention kernels: feed fewer "
                     "tokens at a time.");
  }
  // Dimensions y and z of a grid: sequences, and tiles of at least 64 rows where there are as many.
  constexpr std::int64_t kMostBlocks = 65535;
  if (call.step.batch > kMostBlocks || call.step.most_rows * group > kMostBlocks * 64) {
    throw InputError("A step of " + std::to_string(call.step.batch) + " sequences of up to " +
                     std::to_string(call.step.most_rows) +
                     " rows is too large for the CUDA attention kernels: feed fewer at a time.");
  }
}

// Scores are multiplied by this and taken to the power of two.
inline float score_scale(std::int32_t head_dim) {
  return gpu::kLog2E / std::sqrt(static_cast<float>(head_dim));
}

// Calls f(T{}) with the compute type.
template <typename F>
void with_compute_type(DType dtype, F&& f) {
  if (dtype == DType::kBF16) return f(gpu::bf16{});
  if (dtype == DType::kF16) return f(gpu::f16{});
  throw InputError("The CUDA kernels compute in bf16 or f16: choose one of those with --dtype.");
}

}  // namespace rooftop::inference::cuda
