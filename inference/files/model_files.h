// Opens models: a GGUF file, a Hugging Face folder, or random weights of any shape.
//
// Files are mapped, not read: opening costs milliseconds and no memory, and everything that could
// be wrong is found then. What cannot be guarded against is a file that shrinks while it is mapped:
// reading it then ends the process with SIGBUS, as with any mapped file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "inference/model.h"

namespace rooftop::inference {

// `path`: a GGUF file (version 2 or 3, architecture llama; F32, F16, BF16, Q8_0, Q4_1), or a folder
// with config.json and model.safetensors, or the shards that model.safetensors.index.json names
// (F32, F16, BF16). Throws InputError.
std::unique_ptr<WeightSource> open_model(const std::string& path);

// The config alone. A folder needs only config.json; a GGUF file may be of any quantisation. Throws
// InputError.
Config read_config(const std::string& path);

// Gaussian weights of realistic scale: 0.02, the two projections that write to the residual stream
// 0.02 / sqrt(2 * layers), norms 1. A value depends on (seed, tensor, index) only, not on how it is
// read. Throws InputError where the config itself is impossible.
std::unique_ptr<WeightSource> random_model(const Config& config, std::uint64_t seed);

}  // namespace rooftop::inference
