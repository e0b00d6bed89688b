// What --model means: a GGUF file or Hugging Face folder, else a named shape with random weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "inference/model.h"
#include "profiler/core/meta.h"

namespace rooftop::tools {

// Throws InputError: a damaged file, or a name that is neither (with the nearest known name).
std::unique_ptr<inference::WeightSource> open_model_choice(const std::string& model,
                                                           std::uint64_t seed);

// The same without weights: a folder needs only its config.json.
inference::Config read_model_choice(const std::string& model);

ModelShape shape_of(const inference::Config& config);

}  // namespace rooftop::tools
