// Matrix products through cuBLASLt: one problem, its best algorithm, run any number of times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "profiler/roofs/cuda/cublaslt.h"

namespace rooftop::cuda {

// Column-major, as cuBLAS counts: D[m][n] = alpha op(A)[m][k] B[k][n] + beta D. `batch` such
// products lie `stride_*` elements apart. In row-major terms: y[n][m] = x[n][k] w[m][k]^T with A =
// w (transposed, lda = k), B = x, D = y.
struct GemmProblem {
  cudaDataType_t input = CUDA_R_16BF;  // of A and B
  cudaDataType_t output = CUDA_R_16BF;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  bool transpose_a = true;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t lda = 0;
  std::int64_t ldb = 0;
  std::int64_t ldd = 0;
  std::int64_t batch = 1;
  std::int64_t stride_a = 0;
  std::int64_t stride_b = 0;
  std::int64_t stride_d = 0;
  // Bytes that the address of every matrix of the batch, and every column's, is a multiple of.
  std::uint32_t alignment_a = 256;
  std::uint32_t alignment_b = 256;
  std::uint32_t alignment_d = 256;

  auto operator<=>(const GemmProblem&) const = default;
};

// cuBLASLt's context on the current device, and the memory that its algorithms may use.
class GemmContext {
 public:
  explicit GemmContext(void* workspace, std::size_t workspace_bytes);
  ~GemmContext();
  GemmContext(const GemmContext&) = delete;
  GemmContext& operator=(const GemmContext&) = delete;

  // NVIDIA recommends 32 MiB for Hopper and later, less before.
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

 private:
  friend class Gemm;
  const CublasLt& library_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_;
  std::size_t workspace_bytes_;
};

class Gemm {
 public:
  // Asks cuBLASLt's heuristic. Throws std::runtime_error where it knows no algorithm for this
  // problem. The context must outlive this.
  Gemm(const GemmContext& context, const GemmProblem& problem);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  [[nodiscard]] std::size_t candidates() const { return algorithms_.size(); }  // best guess first
  void choose(std::size_t candidate) { chosen_ = candidate; }

  void run(float alpha, const void* a, const void* b, float beta, void* d,
           cudaStream_t stream) const;

 private:
  void describe(const GemmProblem& problem);
  void ask(const GemmProblem& problem);
  void release();

  const GemmContext& context_;
  bool integer_ = false;  // sums and factors are int32
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr;
  cublasLtMatrixLayout_t b_ = nullptr;
  cublasLtMatrixLayout_t d_ = nullptr;
  std::vector<cublasLtMatmulAlgo_t> algorithms_;
  std::size_t chosen_ = 0;
};

}  // namespace rooftop::cuda
