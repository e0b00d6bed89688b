// Where tokenizers come from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "inference/files/gguf.h"
#include "inference/tokenizer/spec.h"

namespace rooftop::inference {

// From the metadata under tokenizer.ggml; nullopt where there is none. Throws InputError.
std::optional<TokenizerSpec> tokenizer_from_gguf(const GgufFile& file);

// From the text of a tokenizer.json; `source` names it. Throws InputError.
TokenizerSpec tokenizer_from_json(std::string_view text, const std::string& source);

}  // namespace rooftop::inference
