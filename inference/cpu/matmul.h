// Products of activations with one weight matrix: y[T][n] = x[T][k] * w[n][k]^T.
//
// There is one copy of the weights, in plain row order. Up to kVectorRows rows stream it through
// the hand-written kernels, at the speed of memory; more rows go to oneDNN, which packs parts of it
// on the fly (within some 15 % of a second, prepacked copy from 128 rows on, for half the memory).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>

#include "inference/cpu/kernels.h"
#include "inference/cpu/memory.h"

namespace rooftop::inference::cpu {

struct Product {
  const void* weights = nullptr;  // [n][k], contiguous, compute type
  std::int64_t n = 0;
  std::int64_t k = 0;
  const void* x = nullptr;  // [rows][k], rows `x_stride` elements apart, compute type
  std::int64_t x_stride = 0;
  std::int64_t rows = 0;
  void* y = nullptr;  // [rows][n], rows `y_stride` elements apart
  std::int64_t y_stride = 0;
  bool wide = false;  // y is fp32 whatever the compute type
};

class MatMul {
 public:
  // Most rows that the hand-written kernels take: a machine's memory, not its arithmetic, is what
  // they wait for, and below it they beat oneDNN on plain weights.
  static constexpr std::int64_t kVectorRows = 8;

  MatMul(const Kernels& kernels, DType dtype, int threads);
  void run(const Product& product);

 private:
  void run_vector(const Product& product) const;
  void run_onednn(const Product& product, dnnl::memory::data_type type);
  void run_panels(const Product& product);

  const Kernels& kernels_;
  const TypedKernels& typed_;
  DType dtype_;
  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;

  // Primitives by rows, n, k, strides and types: making one costs tens of microseconds.
  struct Prepared {
    dnnl::memory::desc x, weights, y;
    dnnl::matmul primitive;
  };
  using Key = std::array<std::int64_t, 7>;
  const Prepared& prepare(const Product& product, dnnl::memory::data_type type);
  std::map<Key, Prepared> prepared_;

  // Types that oneDNN does not multiply here are widened to fp32 part by part.
  Buffer wide_x_, wide_weights_, wide_y_;
};

}  // namespace rooftop::inference::cpu
