// What every config must satisfy, wherever it came from.
#pragma once

#include <string>

#include "inference/model.h"

namespace rooftop::inference {

// Throws InputError naming `source` unless every dimension is positive and not absurd, the heads
// divide, the head size is even (RoPE turns pairs) and the numbers are finite.
void check_config(const Config& config, const std::string& source);

// The name a model goes by where its file gives none: the folder's name, or the file's less .gguf.
std::string name_of_path(const std::string& path);

}  // namespace rooftop::inference
