// Finds added tokens ("<|im_end|>") in text.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/tokenizer/spec.h"

namespace rooftop::inference {

// A trie of the tokens' bytes: the leftmost match wins, of those the longest.
class AddedTokens {
 public:
  AddedTokens();
  void add(const AddedToken& token);

  // Calls `text` with what lies between the tokens (never empty) and `token` with each, in order.
  void split(std::string_view input, const std::function<void(std::string_view)>& text,
             const std::function<void(std::int32_t)>& token) const;

 private:
  struct Match {
    std::size_t length = 0;  // 0: none
    std::int32_t id = -1;
  };
  [[nodiscard]] Match longest_at(std::string_view input) const;

  std::array<bool, 256> first_{};                           // bytes that some token begins with
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte -> node
  std::vector<std::int32_t> ids_;                           // by node; -1 where no token ends
};

}  // namespace rooftop::inference
