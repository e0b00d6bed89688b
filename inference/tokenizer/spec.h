// A tokenizer as plain facts: what the two loaders fill in and Tokenizer is built from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace rooftop::inference {

// What the vocabulary's strings are made of.
enum class Alphabet : std::uint8_t {
  kByteLevel,  // one character for each byte, as GPT-2 chose them (byte_level.h)
  kText,       // plain text, "<0x0A>" for a byte; SentencePiece's way
};

// Matches become pieces of their own, and so does what lies between them.
struct SplitByRegex {
  std::string pattern;
};
// A piece that does not begin with a space gets one.
struct PrependSpace {};
// Spaces become `mark`; a piece that does not begin with it gets one in front.
struct Metaspace {
  enum class Prepend : std::uint8_t { kNever, kFirst, kAlways };
  std::string mark;
  Prepend prepend = Prepend::kNever;  // kFirst: only the piece at the very beginning of the text
};
using PreTokenizerStep = std::variant<SplitByRegex, PrependSpace, Metaspace>;

struct Merge {
  std::int32_t left = 0;
  std::int32_t right = 0;
  std::int32_t result = 0;
};

struct AddedToken {
  std::string text;
  std::int32_t id = 0;
  bool special = false;       // control tokens, as against mere additions to the vocabulary
  bool after_others = false;  // looked for in what the other added tokens leave
};

struct TokenizerSpec {
  std::string source;  // stands in messages
  Alphabet alphabet = Alphabet::kByteLevel;
  std::vector<std::string> tokens;  // by id; empty where there is none
  std::vector<Merge> merges;        // the most urgent first
  std::vector<AddedToken> added;
  bool ignore_merges = false;  // a piece that is a token as a whole stays whole (Llama 3)
  bool byte_fallback = false;  // kText: a character without a token becomes its bytes
  bool fuse_unknown = false;   // neighbouring unknown characters become one unknown token
  std::int32_t unknown = -1;   // -1: what has no token is left out

  // Applied in this order to what lies between added tokens.
  std::string prepend;
  std::vector<std::pair<std::string, std::string>> replace;
  std::vector<PreTokenizerStep> steps;

  std::vector<std::int32_t> prefix;  // ids before every text: BOS where the model asks for it
  std::vector<std::int32_t> suffix;

  // Decoding, kText only.
  std::string space_mark;  // spelled as a space
  bool strip_first_space = false;
};

// Patterns shared by the two loaders.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kDigitPattern = R"(\p{N})";

inline constexpr std::size_t kMaxTokens = 1 << 22;

}  // namespace rooftop::inference
