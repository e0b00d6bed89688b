// The linear layers of a step: few rows go to our own vector-matrix kernel, with the norm before
// and what follows fused in; many go to MatMul.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "inference/cuda/kernels.h"
#include "inference/cuda/matmul.h"

namespace rooftop::inference::cuda {

class Products {
 public:
  Products(MatMul& matmul, DType dtype, std::int32_t multiprocessors, cudaStream_t stream)
      : matmul_(matmul), dtype_(dtype), multiprocessors_(multiprocessors), stream_(stream) {}

  // Of the steps' products that follow.
  void set_rows(std::int32_t rows) { rows_ = rows; }

  // Whether a product with rows of k inputs is for our own kernel: few rows, each of whole 16-byte
  // loads.
  [[nodiscard]] bool is_gemv(std::int64_t k) const { return is_gemv(rows_, k); }

  // y[rows][n] = norm(x) W^T with W [n][k]. Where is_gemv(k) the kernel normalises x itself, and
  // may end with SwiGLU (then W is [2n][k]); else `normed` holds norm(x) already.
  struct Normed {
    const void* w = nullptr;
    std::int64_t n = 0;
    std::int64_t k = 0;
    const void* x = nullptr;
    const void* norm_weight = nullptr;
    float norm_eps = 0;
    const void* normed = nullptr;
    void* y = nullptr;
  };
  void normed(const Normed& call, Epilogue epilogue = Epilogue::kStore);

  // y[rows][n] += x W^T.
  void add(const void* w, std::int64_t n, std::int64_t k, const void* x, void* y);

  // logits[rows][n] = x W^T in fp32, for rows of their own.
  void logits(const void* w, std::int64_t n, std::int64_t k, const void* x, std::int32_t rows,
              void* y);

 private:
  static bool is_gemv(std::int32_t rows, std::int64_t k) {
    return rows <= kMostGemvRows && k % 8 == 0;
  }
  [[nodiscard]] Gemv gemv(const void* w, std::int64_t n, std::int64_t k, const void* x,
                          Epilogue epilogue, void* y) const;
  [[nodiscard]] Product product(const void* w, std::int64_t n, std::int64_t k, const void* x,
                                void* y) const;

  MatMul& matmul_;
  DType dtype_;
  std::int32_t multiprocessors_;
  cudaStream_t stream_;
  std::int32_t rows_ = 0;
};

}  // namespace rooftop::inference::cuda
