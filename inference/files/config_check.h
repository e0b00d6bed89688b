// What every config must satisfy, wherever it came from.
#pragma once

#include <string>

#include "inference/model.h"

namespace rooftop::inference {

// Throws InputError naming `source` unless every dimension is positive and not absurd, the heads
// divide, the head size is even (RoPE turns pairs) and the numbers are finite.
void check_config(const Config& config, const std::string& source);

}  // namespace rooftop::inference
