// The model of a recording, as --model of report and explain names it.
#pragma once

#include <string>

#include "profiler/core/meta.h"

namespace rooftop::tools {

// A named shape, a GGUF file, a config.json or a folder with one: of any decoder, since only its
// dimensions are read. Throws InputError.
ModelShape recorded_model(const std::string& model);

}  // namespace rooftop::tools
