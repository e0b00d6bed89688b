#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "inference/tokenizer/tokenizer.h"
#include "profiler/core/error.h"
#include "tools/commands.h"

namespace rooftop::tools {

int tokenize_command(const TokenizeOptions& options) {
  const auto tokenizer = inference::open_tokenizer(options.model);
  if (tokenizer == nullptr) {
    throw InputError(fmt::format("{} has no tokenizer: add its tokenizer.json", options.model));
  }
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto tokens = tokenizer->encode(text);
  if (options.json) {
    fmt::print("{{\"tokens\": [{}]}}\n", fmt::join(tokens, ", "));
  } else {
    fmt::print("{}\n", fmt::join(tokens, ","));
  }
  return 0;
}

}  // namespace rooftop::tools
