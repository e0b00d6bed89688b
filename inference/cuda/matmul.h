// Matrix products as the CUDA backend asks for them: cuBLASLt on a GPU, a plain library where the
// kernels run on the CPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "inference/backend.h"

namespace rooftop::inference::cuda {

// y[rows][n] = x[rows][k] w[n][k]^T, or y += ...; all row-major without gaps.
struct Product {
  const void* w = nullptr;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const void* x = nullptr;
  std::int64_t rows = 0;
  void* y = nullptr;
  bool add = false;
  bool f32 = false;  // y is fp32, else the compute type
};

// `batch` products out[rows][n] = scale * x[rows][k] w, where w is [n][k] (transposed) or [k][n].
// Rows of x, w and out are *_row_stride elements apart, products *_stride.
struct BatchedProduct {
  std::int64_t batch = 1;
  std::int64_t rows = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool transposed = true;
  float scale = 1;
  const void* x = nullptr;
  std::int64_t x_row_stride = 0;
  std::int64_t x_stride = 0;
  const void* w = nullptr;
  std::int64_t w_row_stride = 0;
  std::int64_t w_stride = 0;
  void* out = nullptr;
  std::int64_t out_row_stride = 0;
  std::int64_t out_stride = 0;
};

// Asynchronous on the stream; may be called while the stream captures, if an equal call was made
// before. fp32 sums.
class MatMul {
 public:
  virtual ~MatMul() = default;
  virtual void product(const Product& call, DType dtype, cudaStream_t stream) = 0;
  virtual void batched(const BatchedProduct& call, DType dtype, cudaStream_t stream) = 0;
};

}  // namespace rooftop::inference::cuda
