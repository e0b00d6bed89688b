// Cheap Gaussian noise for KV caches that a sweep reads without a prefill.
#pragma once

#include <cstdint>

#include "inference/cpu/kernels.h"

namespace rooftop::inference::cpu {

// `count` values of mean 0 and variance 1 in the compute type; the same for the same seed.
void fill_noise(std::uint64_t seed, const TypedKernels& kernels, DType dtype, void* out,
                std::int64_t count);

}  // namespace rooftop::inference::cpu
