#include "inference/tokenizer/added_tokens.h"

namespace rooftop::inference {

AddedTokens::AddedTokens() : ids_(1, -1) {}

void AddedTokens::add(const AddedToken& token) {
  std::uint32_t node = 0;
  for (const char c : token.text) {
    const std::uint64_t edge = std::uint64_t{node} << 8 | static_cast<unsigned char>(c);
    const auto [it, is_new] = edges_.emplace(edge, static_cast<std::uint32_t>(ids_.size()));
    if (is_new) ids_.push_back(-1);
    node = it->second;
  }
  first_[static_cast<unsigned char>(token.text.front())] = true;
  ids_[node] = token.id;
}

AddedTokens::Match AddedTokens::longest_at(std::string_view input) const {
  Match best;
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    const auto it = edges_.find(std::uint64_t{node} << 8 | static_cast<unsigned char>(input[i]));
    if (it == edges_.end()) break;
    node = it->second;
    if (ids_[node] >= 0) best = {i + 1, ids_[node]};
  }
  return best;
}

void AddedTokens::split(std::string_view input, const std::function<void(std::string_view)>& text,
                        const std::function<void(std::int32_t)>& token) const {
  std::size_t begin = 0;
  std::size_t i = 0;
  while (i < input.size()) {
    const bool possible = first_[static_cast<unsigned char>(input[i])];
    const Match match = possible ? longest_at(input.substr(i)) : Match{};
    if (match.length == 0) {
      ++i;
      continue;
    }
    if (i > begin) text(input.substr(begin, i - begin));
    token(match.id);
    i += match.length;
    begin = i;
  }
  if (begin < input.size()) text(input.substr(begin));
}

}  // namespace rooftop::inference
