// The compute roofs of one GPU: large matrix products of each type, through cuBLASLt.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiler/roofs/cuda/measure.h"

namespace rooftop::cuda {

// The best of cuBLASLt's candidate algorithms for square products on random data, types that the
// device has no units for left out. Returns how many roofs were written: 0 where cuBLASLt is not
// installed. Throws CudaError or std::runtime_error.
std::size_t measure_gemms(std::uint32_t ordinal, double seconds, const RoofProgress& progress,
                          RooftopCudaRoof* roofs, std::size_t capacity);

}  // namespace rooftop::cuda
