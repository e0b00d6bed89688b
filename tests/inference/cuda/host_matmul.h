// Matrix products in place of cuBLASLt where the CUDA backend runs on the CPU: plain loops, queued
// on the stream, so that a capture records them as it records kernels.
#pragma once

#include "inference/cuda/matmul.h"

namespace rooftop::inference::cuda {

class HostMatMul final : public MatMul {
 public:
  void product(const Product& call, DType dtype, cudaStream_t stream) override;
  void batched(const BatchedProduct& call, DType dtype, cudaStream_t stream) override;
};

}  // namespace rooftop::inference::cuda
