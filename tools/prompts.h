// The prompts of a run, as token ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/model.h"
#include "inference/tokenizer/tokenizer.h"
#include "tools/commands.h"

namespace rooftop::tools {

struct Prompts {
  std::unique_ptr<inference::Tokenizer> tokenizer;  // null where the model has none: ids only
  std::vector<std::vector<std::int32_t>> tokens;    // of each sequence
};

// Texts are tokenised (BOS only if the model's own settings ask for it), ids are taken as given.
// Throws InputError for no prompt, an empty one, text without a tokenizer, and ids outside the
// vocabulary.
Prompts read_prompts(const RunOptions& options, const inference::Config& config);

}  // namespace rooftop::tools
