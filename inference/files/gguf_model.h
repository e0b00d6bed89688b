// Llama models in GGUF files.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/files/gguf.h"
#include "inference/files/mapped_model.h"

namespace rooftop::inference {

// The config that the metadata (and the presence of tensors) describe; keys that are absent have
// the defaults of llama.cpp. `name` becomes Config::name. Throws InputError.
Config gguf_config(const GgufFile& file, const std::string& name);

// Throws InputError unless the file holds every tensor, each in bounds, apart from the others, of
// the right shape and of a supported type, and no tensor that a Llama does not have.
std::unique_ptr<MappedModel> open_gguf_model(const std::string& path);

// The same from bytes in memory; they lie in one of `files`, or outlive the model. `path` names
// them.
std::unique_ptr<MappedModel> gguf_model(std::span<const std::byte> bytes,
                                        std::vector<MappedFile> files, const std::string& path);

}  // namespace rooftop::inference
