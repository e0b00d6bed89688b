// Tokenizers in GGUF metadata, read as llama.cpp reads them (llama-vocab.cpp).
#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "inference/files/text.h"
#include "inference/tokenizer/loaders.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

// llama_token_type in llama.h
enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4 };

[[noreturn]] void refuse(const GgufFile& file, const std::string& why) {
  throw InputError(fmt::format("{}: {}", file.name(), why));
}

struct PreTokenizer {
  std::string_view name;  // tokenizer.ggml.pre
  std::vector<std::string_view> patterns;
  bool ignore_merges;
  bool add_bos;  // where tokenizer.ggml.add_bos_token is absent
};

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  constexpr std::string_view kLlama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  static const PreTokenizer kKnown[] = {
      // What llama.cpp does for files that do not say: not what any one model was trained with.
      {"default",
       {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", R"([0-9][0-9][0-9])"},
       false,
       false},
      {"gpt-2", {kGpt2Pattern}, false, false},
      {"smollm", {kDigitPattern, kGpt2Pattern}, false, false},
      {"llama-bpe", {kLlama3}, true, true},
      {"llama-v3", {kLlama3}, true, true},
      {"llama3", {kLlama3}, true, true},
  };
  for (const PreTokenizer& known : kKnown) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

void read_tokens(const GgufFile& file, TokenizerSpec& spec) {
  const auto names = file.strings("tokenizer.ggml.tokens");
  if (!names || names->empty()) refuse(file, "tokenizer.ggml.tokens is missing.");
  if (names->size() > kMaxTokens) refuse(file, "the vocabulary is larger than any model's.");
  spec.tokens.assign(names->begin(), names->end());
  const auto types = file.integers("tokenizer.ggml.token_type");
  if (!types) return;
  if (types->size() != names->size()) {
    refuse(file,
           fmt::format("there are {} token types for {} tokens.", types->size(), names->size()));
  }
  for (std::size_t id = 0; id < names->size(); ++id) {
    const std::int64_t type = (*types)[id];
    const bool special = type == kControl || type == kUnknown;
    if (!special && type != kUserDefined) continue;
    spec.added.push_back({spec.tokens[id], static_cast<std::int32_t>(id), special, false});
  }
}

void read_merges(const GgufFile& file, TokenizerSpec& spec) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const auto [it, is_new] = ids.emplace(spec.tokens[id], static_cast<std::int32_t>(id));
    if (!is_new) {
      refuse(file, fmt::format("the token \"{}\" stands twice in the vocabulary.",
                               printable(spec.tokens[id])));
    }
  }
  const auto merges = file.strings("tokenizer.ggml.merges");
  if (!merges) refuse(file, "tokenizer.ggml.merges is missing.");
  const auto find = [&](std::string_view token, std::string_view merge) {
    const auto it = ids.find(token);
    if (it == ids.end()) {
      refuse(file, fmt::format("the merge \"{}\" is of tokens that the vocabulary lacks.",
                               printable(merge)));
    }
    return it->second;
  };
  for (const std::string_view merge : *merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) {
      refuse(file, fmt::format("the merge \"{}\" is not of two tokens.", printable(merge)));
    }
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    const std::string result = std::string(left).append(right);
    spec.merges.push_back({find(left, merge), find(right, merge), find(result, merge)});
  }
}

std::int32_t token_id(const GgufFile& file, const TokenizerSpec& spec, const std::string& key) {
  const auto id = file.integer(key);
  if (!id || *id < 0 || *id >= static_cast<std::int64_t>(spec.tokens.size())) {
    refuse(file, fmt::format("{} is missing or outside the vocabulary.", key));
  }
  return static_cast<std::int32_t>(*id);
}

}  // namespace

std::optional<TokenizerSpec> tokenizer_from_gguf(const GgufFile& file) {
  const auto model = file.string("tokenizer.ggml.model");
  if (!model || *model == "none" || *model == "no_vocab") return std::nullopt;
  if (*model != "gpt2") {
    refuse(file, fmt::format("the tokenizer \"{}\" is not supported yet in GGUF files, only "
                             "\"gpt2\" (byte-level BPE): give the tokens by their ids.",
                             printable(*model)));
  }
  const auto pre = file.string("tokenizer.ggml.pre").value_or("default");
  const PreTokenizer* known = find_pre_tokenizer(pre);
  if (known == nullptr) {
    refuse(file, fmt::format("the pre-tokenizer \"{}\" is not supported yet: give the tokens by "
                             "their ids.",
                             printable(pre)));
  }
  TokenizerSpec spec;
  spec.source = file.name();
  for (const std::string_view pattern : known->patterns) {
    spec.steps.push_back(SplitByRegex{std::string(pattern)});
  }
  spec.ignore_merges = known->ignore_merges;
  read_tokens(file, spec);
  read_merges(file, spec);
  // unknown_token_id is for tokenizers of other kinds: a byte that a byte-level vocabulary lacks is
  // left out, by llama.cpp and by Transformers alike.
  if (file.boolean("tokenizer.ggml.add_bos_token").value_or(known->add_bos)) {
    spec.prefix.push_back(token_id(file, spec, "tokenizer.ggml.bos_token_id"));
  }
  if (file.boolean("tokenizer.ggml.add_eos_token").value_or(false)) {
    spec.suffix.push_back(token_id(file, spec, "tokenizer.ggml.eos_token_id"));
  }
  return spec;
}

}  // namespace rooftop::inference
