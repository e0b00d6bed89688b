#include "inference/cuda/buffers.h"

#include <vector>

#include "inference/rope.h"

namespace rooftop::inference::cuda {
namespace {

using rooftop::cuda::DeviceMemory;
using rooftop::cuda::PinnedMemory;

DeviceMemory elements(std::int64_t count, std::uint64_t element_bytes = 2) {
  return DeviceMemory(static_cast<std::uint64_t>(count) * element_bytes);
}

DeviceMemory rotary_angles(const Config& config, std::int64_t positions) {
  const RopeTable table(config.rope, config.head_dim, positions);
  std::vector<float2> angles;
  angles.reserve(table.cosine.size());
  for (std::size_t i = 0; i < table.cosine.size(); ++i) {
    angles.push_back({table.cosine[i], table.sine[i]});
  }
  DeviceMemory memory(angles.size() * sizeof(float2));
  rooftop::cuda::check(cudaMemcpy(memory.data(), angles.data(), angles.size() * sizeof(float2),
                                  cudaMemcpyHostToDevice),
                       "copy the rotary table to the device");
  // Such a copy may return before it has arrived, and the backend's stream does not wait for it.
  rooftop::cuda::check(cudaDeviceSynchronize(), "copy the rotary table to the device");
  return memory;
}

}  // namespace

Buffers::Buffers(const Config& config, const BackendOptions& options, std::int64_t layers)
    : layers_(layers),
      layer_cache_(options.max_batch * config.kv_heads * options.max_length * config.head_dim) {
  const Widths width(config);
  const std::int64_t rows = options.max_rows;
  cache = elements(2 * layers * layer_cache_);
  x = elements(rows * width.hidden);
  y = elements(rows * width.hidden);
  qkv = elements(rows * width.qkv);
  q = elements(rows * width.q);
  gate_up = elements(rows * 2 * width.ffn);
  g = elements(rows * width.ffn);
  if (options.attention == Attention::kUnfused) {
    scores = elements(rows * config.heads * options.max_length);
  }
  logits = elements(options.max_logit_rows * config.vocab, sizeof(float));
  picked = elements(options.max_logit_rows, sizeof(std::int32_t));
  host_picked =
      PinnedMemory(static_cast<std::uint64_t>(options.max_logit_rows) * sizeof(std::int32_t));
  angles = rotary_angles(config, options.max_length);
  facts = StepFacts(options.max_batch, options.max_rows, options.max_logit_rows);
}

}  // namespace rooftop::inference::cuda
