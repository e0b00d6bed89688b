#include "tools/prompts.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "profiler/core/error.h"

namespace rooftop::tools {
namespace {

std::vector<std::int32_t> parse_ids(const std::string& text) {
  std::vector<std::int32_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::int32_t id = 0;
    const auto [rest, error] = std::from_chars(at, end, id);
    if (error != std::errc{} || (rest != end && *rest != ',') || (rest != end && rest + 1 == end)) {
      throw InputError(
          fmt::format("--prompt-tokens '{}' is not a list of token ids: write 1,2,3", text));
    }
    ids.push_back(id);
    at = rest == end ? end : rest + 1;
  }
  return ids;
}

void check_ids(const std::vector<std::int32_t>& ids, const inference::Config& config) {
  if (ids.empty()) throw InputError("a prompt is empty: give at least one token");
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= config.vocab) {
      throw InputError(fmt::format("token {} is outside the vocabulary of {} (0 to {})", id,
                                   config.name, config.vocab - 1));
    }
  }
}

}  // namespace

Prompts read_prompts(const RunOptions& options, const inference::Config& config) {
  if (options.prompts.empty() && options.prompt_tokens.empty()) {
    throw InputError("there is no prompt: give --prompt TEXT or --prompt-tokens 1,2,3");
  }
  Prompts prompts;
  if (std::filesystem::exists(options.engine.model))
    prompts.tokenizer = inference::open_tokenizer(options.engine.model);
  for (const std::string& text : options.prompts) {
    if (prompts.tokenizer == nullptr) {
      throw InputError(fmt::format("{} has no tokenizer for --prompt: give --prompt-tokens 1,2,3",
                                   options.engine.model));
    }
    prompts.tokens.push_back(prompts.tokenizer->encode(text));
  }
  for (const std::string& ids : options.prompt_tokens) prompts.tokens.push_back(parse_ids(ids));
  for (const auto& ids : prompts.tokens) check_ids(ids, config);
  if (options.batch > 1) {
    if (prompts.tokens.size() > 1)
      throw InputError("--batch copies one prompt: give one, or leave --batch out");
    prompts.tokens.resize(static_cast<std::size_t>(options.batch), prompts.tokens.front());
  }
  return prompts;
}

}  // namespace rooftop::tools
