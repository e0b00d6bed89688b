// Byte-pair encoding of one piece of text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/tokenizer/spec.h"

namespace rooftop::inference {

class Bpe {
 public:
  explicit Bpe(const TokenizerSpec& spec);

  // Appends the tokens of `piece`. O(n log n): a piece may be a megabyte without a space.
  void encode(std::string_view piece, std::vector<std::int32_t>& out) const;

 private:
  struct Rule {
    std::uint32_t rank;  // the lowest is applied first
    std::int32_t result;
  };

  void start(std::string_view piece, std::vector<std::int32_t>& ids) const;
  void start_character(std::string_view character, std::vector<std::int32_t>& ids) const;
  void add_unknown(std::vector<std::int32_t>& ids) const;
  void merge(std::vector<std::int32_t>& ids) const;
  [[nodiscard]] const Rule* rule(std::int32_t left, std::int32_t right) const;

  bool by_bytes_;
  bool byte_fallback_;
  bool fuse_unknown_;
  std::int32_t unknown_;
  std::array<std::int32_t, 256> byte_ids_;  // -1 where a byte has no token
  // kText: every token; else those that ignore_merges looks up, by their bytes.
  std::unordered_map<std::string, std::int32_t> whole_;
  bool ignore_merges_;
  std::unordered_map<std::uint64_t, Rule> rules_;  // by left << 32 | right
};

}  // namespace rooftop::inference
