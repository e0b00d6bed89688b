// How many rows the kernels for few rows take: known to plans that need no CUDA.
#pragma once

namespace rooftop::inference::cuda {

inline constexpr int kMostGemvRows = 8;

// Rows of a sequence times n/g: above, attention's tensor-core kernel is used.
inline constexpr int kMostDecodeRows = 4;

}  // namespace rooftop::inference::cuda
