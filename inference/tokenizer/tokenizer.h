// Text to tokens and back, as Hugging Face's tokenizers does it for byte-level BPE (GPT-2, Llama 3,
// SmolLM) and for BPE over characters with byte fallback (Llama 2's tokenizer.json).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rooftop::inference {

struct TokenizerSpec;

// Immutable and thread-safe once built.
class Tokenizer {
 public:
  // Throws InputError where the spec contradicts itself.
  explicit Tokenizer(TokenizerSpec spec);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Special tokens in the text ("<|im_end|>") become their ids; BOS and EOS are added where the
  // model's own settings ask for it. Text that is not UTF-8 loses nothing: each run of invalid
  // bytes is encoded byte by byte, apart from its neighbours. Throws InputError for text over 1 GiB
  // and where a file's own regular expression backtracks without end.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;

  // Always valid UTF-8: what tokens spell wrongly becomes U+FFFD. Special tokens are spelled out;
  // ids that the vocabulary does not have are nothing.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;

  // One more than the largest id; a model's embedding may have more rows.
  [[nodiscard]] std::int32_t vocab_size() const;
  // As it stands in the vocabulary ("Ġthe"); empty for an unknown id.
  [[nodiscard]] std::string_view token_name(std::int32_t id) const;
  // Control tokens such as BOS, EOS and <|im_end|>.
  [[nodiscard]] bool is_special(std::int32_t id) const;

 private:
  friend class StreamDecoder;
  struct Parts;
  [[nodiscard]] std::string token_bytes(std::int32_t id) const;

  std::unique_ptr<const Parts> parts_;
};

// Decodes tokens as they come. The texts returned, put together, are what decode() gives: a
// character whose bytes are spread over several tokens comes with the last of them.
class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  [[nodiscard]] std::string push(std::int32_t id);
  // What is held back, as U+FFFD.
  [[nodiscard]] std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
  bool at_start_ = true;
};

// The tokenizer of a GGUF file (its metadata) or of a Hugging Face folder (tokenizer.json); nullptr
// where the model has none. Throws InputError for one that is damaged or not supported.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path);

}  // namespace rooftop::inference
