// config.json of Hugging Face Transformers, versions 4 and 5.
#pragma once

#include <string>

#include "inference/model.h"

namespace rooftop::inference {

// Reads FOLDER/config.json, and FOLDER/generation_config.json's end-of-sequence tokens where there
// is one. What is absent has the default of Transformers' LlamaConfig. Throws InputError; refuses
// by name what would be run wrongly.
Config read_hf_config(const std::string& folder);

// The same from the text of config.json (fuzzing, tests); `file` stands in messages.
Config parse_hf_config(std::string_view text, const std::string& file, const std::string& name);

}  // namespace rooftop::inference
