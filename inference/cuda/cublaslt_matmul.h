// MatMul through cuBLASLt.
#pragma once

#include <map>
#include <memory>

#include "inference/cuda/matmul.h"
#include "profiler/roofs/cuda/gemm.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {

// On the current device. Algorithms are chosen by cuBLASLt's heuristic when a shape is first seen,
// and kept. Used with one stream: products share a workspace.
class CublasLtMatMul final : public MatMul {
 public:
  CublasLtMatMul();  // throws std::runtime_error where cuBLASLt is not installed

  void product(const Product& call, DType dtype, cudaStream_t stream) override;
  void batched(const BatchedProduct& call, DType dtype, cudaStream_t stream) override;

 private:
  const rooftop::cuda::Gemm& gemm_for(const rooftop::cuda::GemmProblem& problem);

  rooftop::cuda::DeviceMemory workspace_;
  rooftop::cuda::GemmContext context_;
  std::map<rooftop::cuda::GemmProblem, std::unique_ptr<rooftop::cuda::Gemm>> gemms_;
};

}  // namespace rooftop::inference::cuda
