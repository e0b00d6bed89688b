// The CUDA backend of the loop: bf16 or fp16, matrix products through MatMul, everything else in
// kernels of our own, decode steps as CUDA graphs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "inference/backend.h"
#include "inference/cuda/matmul.h"
#include "inference/model.h"

namespace rooftop::inference::cuda {

using MakeMatMul = std::function<std::unique_ptr<MatMul>()>;

// On device `ordinal`, which stays the calling thread's current device. Throws InputError, with the
// numbers, where the model cannot run there: type, head size, compute capability, memory.
std::unique_ptr<Backend> make_cuda_backend(const WeightSource& source,
                                           const BackendOptions& options, int ordinal,
                                           const MakeMatMul& make_matmul,
                                           const std::function<void(double)>& progress = {});

}  // namespace rooftop::inference::cuda
