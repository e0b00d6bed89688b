// The weights in the compute type, one copy, in plain row order.
#pragma once

#include <cstdint>
#include <functional>

#include "inference/backend.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/memory.h"
#include "inference/weight_layout.h"

namespace rooftop::inference::cpu {

class Weights : public WeightTable {
 public:
  // Reads and converts `layer_count` layers with all threads.
  Weights(const WeightSource& source, std::int64_t layer_count, DType dtype, const Kernels& kernels,
          int threads, const std::function<void(double)>& progress);

 private:
  Buffer buffer_;
};

}  // namespace rooftop::inference::cpu
