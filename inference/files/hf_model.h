// Llama models in Hugging Face folders.
#pragma once

#include <memory>
#include <string>

#include "inference/files/mapped_model.h"

namespace rooftop::inference {

// `folder` holds config.json and model.safetensors, or the shards that
// model.safetensors.index.json names. Throws InputError unless it holds every tensor, of the right
// shape, and none that a Llama does not have.
std::unique_ptr<MappedModel> open_hf_model(const std::string& folder);

}  // namespace rooftop::inference
