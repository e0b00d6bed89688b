// The weights in the compute type, one copy, in plain row order.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "inference/backend.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/memory.h"

namespace rooftop::inference::cpu {

struct LayerWeights {
  const void* attention_norm = nullptr;  // [h]
  const void* qkv = nullptr;             // [(n + 2g) d][h]: q, k, v
  const void* o = nullptr;               // [h][n d]
  const void* mlp_norm = nullptr;        // [h]
  const void* gate_up = nullptr;         // [2i][h]: gate, up
  const void* down = nullptr;            // [h][i]
};

class Weights {
 public:
  // Reads and converts `layers` layers with all threads.
  Weights(const WeightSource& source, std::int64_t layers, DType dtype, const Kernels& kernels,
          int threads, const std::function<void(double)>& progress);

  const void* embedding = nullptr;   // [V][h]
  const void* final_norm = nullptr;  // [h]
  const void* lm_head = nullptr;     // [V][h]; the embedding where they are tied
  std::vector<LayerWeights> layers;

 private:
  Buffer buffer_;
};

}  // namespace rooftop::inference::cpu
