// Device memory whose size follows the capacities of BackendOptions: KV cache, activations, the
// rotary table, the facts of the step.
#pragma once

#include <cstdint>

#include "inference/backend.h"
#include "inference/cuda/step_facts.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {

// Widths of a model's rows, in elements.
struct Widths {
  explicit Widths(const Config& config)
      : hidden(config.hidden),
        q(config.heads * config.head_dim),
        kv(config.kv_heads * config.head_dim),
        qkv(q + 2 * kv),
        ffn(config.ffn) {}
  std::int64_t hidden;
  std::int64_t q;   // n * d
  std::int64_t kv;  // g * d
  std::int64_t qkv;
  std::int64_t ffn;
};

class Buffers {
 public:
  Buffers() = default;
  // Throws CudaError.
  Buffers(const Config& config, const BackendOptions& options, std::int64_t layers);

  // One layer's keys and values, [slot][g][max_length][d].
  [[nodiscard]] void* keys(int layer) const { return at(cache, layer * layer_cache_); }
  [[nodiscard]] void* values(int layer) const {
    return at(cache, (layers_ + layer) * layer_cache_);
  }
  [[nodiscard]] static void* at(const rooftop::cuda::DeviceMemory& memory, std::int64_t element) {
    return memory.as<std::uint16_t>() + element;  // both types have two bytes
  }

  rooftop::cuda::DeviceMemory x;        // [T][h]: the residual stream
  rooftop::cuda::DeviceMemory y;        // [T][h]: what a norm made
  rooftop::cuda::DeviceMemory qkv;      // [T][(n+2g)d]; later attention's result, [T][n*d]
  rooftop::cuda::DeviceMemory q;        // [T][n*d]: rotated
  rooftop::cuda::DeviceMemory gate_up;  // [T][2i]
  rooftop::cuda::DeviceMemory g;        // [T][i]
  rooftop::cuda::DeviceMemory scores;   // unfused: per sequence [n][s_q][L]
  rooftop::cuda::DeviceMemory logits;   // [logit rows][V], fp32
  rooftop::cuda::DeviceMemory picked;   // [logit rows], int32
  rooftop::cuda::DeviceMemory angles;   // [max_length][d/2], float2
  rooftop::cuda::DeviceMemory cache;
  rooftop::cuda::PinnedMemory host_picked;
  StepFacts facts;

 private:
  std::int64_t layers_ = 0;
  std::int64_t layer_cache_ = 0;  // elements of one layer's keys
};

}  // namespace rooftop::inference::cuda
