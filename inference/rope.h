// Rotation angles of rotary position embeddings.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/model.h"

namespace rooftop::inference {

// Angle per position of each pair i < d/2: theta^(-2i/d), stretched as Llama 3.1 does where the
// config says so (Hugging Face: modeling_rope_utils.py, _compute_llama3_parameters).
std::vector<double> rope_frequencies(const RopeConfig& rope, std::int64_t head_dim);

// Cosines and sines, [positions][d/2], from double precision.
struct RopeTable {
  RopeTable(const RopeConfig& rope, std::int64_t head_dim, std::int64_t positions);
  std::int64_t half;
  std::vector<float> cosine;
  std::vector<float> sine;
};

}  // namespace rooftop::inference
