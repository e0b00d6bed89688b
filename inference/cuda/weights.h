// The weights in device memory, in the compute type.
#pragma once

#include <cstdint>
#include <functional>

#include "inference/backend.h"
#include "inference/weight_layout.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {

class Weights : public WeightTable {
 public:
  // Reads, converts (with `threads` host threads) and copies `layer_count` layers. Throws
  // CudaError.
  Weights(const WeightSource& source, std::int64_t layer_count, DType dtype, int threads,
          const std::function<void(double)>& progress);

 private:
  rooftop::cuda::DeviceMemory memory_;
};

}  // namespace rooftop::inference::cuda
