#include "inference/tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "inference/tokenizer/byte_level.h"
#include "inference/tokenizer/utf8.h"

namespace rooftop::inference {
namespace {

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

std::int32_t find_or(const std::unordered_map<std::string, std::int32_t>& map,
                     const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? -1 : it->second;
}

}  // namespace

Bpe::Bpe(const TokenizerSpec& spec)
    : by_bytes_(spec.alphabet == Alphabet::kByteLevel),
      byte_fallback_(spec.byte_fallback),
      fuse_unknown_(spec.fuse_unknown),
      unknown_(spec.unknown),
      ignore_merges_(spec.ignore_merges) {
  std::unordered_map<std::string, std::int32_t> by_name;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!spec.tokens[id].empty()) by_name.emplace(spec.tokens[id], static_cast<std::int32_t>(id));
  }
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] =
        find_or(by_name, by_bytes_ ? byte_level_alphabet()[byte] : fmt::format("<0x{:02X}>", byte));
  }
  if (!by_bytes_) {
    whole_ = std::move(by_name);
  } else if (ignore_merges_) {
    for (const auto& [name, id] : by_name) {
      if (auto bytes = bytes_of_byte_level(name)) whole_.emplace(std::move(*bytes), id);
    }
  }
  rules_.reserve(spec.merges.size());
  std::uint32_t rank = 0;
  for (const Merge& m : spec.merges) {
    rules_.insert_or_assign(pair_key(m.left, m.right), Rule{rank++, m.result});
  }
}

const Bpe::Rule* Bpe::rule(std::int32_t left, std::int32_t right) const {
  const auto it = rules_.find(pair_key(left, right));
  return it == rules_.end() ? nullptr : &it->second;
}

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& out) const {
  if (ignore_merges_) {
    if (const auto it = whole_.find(std::string(piece)); it != whole_.end()) {
      out.push_back(it->second);
      return;
    }
  }
  std::vector<std::int32_t> ids;
  start(piece, ids);
  merge(ids);
  out.insert(out.end(), ids.begin(), ids.end());
}

// The smallest tokens that spell the piece, before any merge.
void Bpe::start(std::string_view piece, std::vector<std::int32_t>& ids) const {
  ids.reserve(piece.size());
  if (by_bytes_) {
    for (const char c : piece) {
      const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
      if (id >= 0) {
        ids.push_back(id);
      } else {
        add_unknown(ids);
      }
    }
    return;
  }
  while (!piece.empty()) {
    const std::size_t length = utf8_step(piece).length;
    start_character(piece.substr(0, length), ids);
    piece.remove_prefix(length);
  }
}

void Bpe::start_character(std::string_view character, std::vector<std::int32_t>& ids) const {
  if (const std::int32_t id = find_or(whole_, std::string(character)); id >= 0) {
    ids.push_back(id);
    return;
  }
  if (byte_fallback_) {
    std::vector<std::int32_t> bytes;
    for (const char c : character) bytes.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    if (std::find(bytes.begin(), bytes.end(), -1) == bytes.end()) {
      ids.insert(ids.end(), bytes.begin(), bytes.end());
      return;
    }
  }
  add_unknown(ids);
}

void Bpe::add_unknown(std::vector<std::int32_t>& ids) const {
  if (unknown_ < 0 || (fuse_unknown_ && !ids.empty() && ids.back() == unknown_)) return;
  ids.push_back(unknown_);
}

// Applies the rule of the lowest rank, the leftmost first among equals, until none applies. The
// candidates wait in a heap; those that earlier merges made stale are known by their tokens.
void Bpe::merge(std::vector<std::int32_t>& ids) const {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t left;  // positions
    std::int32_t left_id;
    std::int32_t right_id;
    std::int32_t result;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  if (ids.size() < 2) return;
  const auto count = static_cast<std::uint32_t>(ids.size());
  std::vector<std::uint32_t> previous(count);
  std::vector<std::uint32_t> next(count);
  std::vector<Candidate> initial;
  initial.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == count ? kNone : i + 1;
    if (next[i] == kNone) break;
    if (const Rule* r = rule(ids[i], ids[i + 1])) {
      initial.push_back({r->rank, i, ids[i], ids[i + 1], r->result});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap(std::greater<>(),
                                                                              std::move(initial));
  const auto consider = [&](std::uint32_t left) {
    if (left == kNone || next[left] == kNone) return;
    if (const Rule* r = rule(ids[left], ids[next[left]])) {
      heap.push({r->rank, left, ids[left], ids[next[left]], r->result});
    }
  };
  constexpr std::int32_t kGone = -2;  // merged into its left neighbour
  while (!heap.empty()) {
    const Candidate c = heap.top();
    heap.pop();
    const std::uint32_t right = next[c.left];
    if (ids[c.left] != c.left_id || right == kNone || ids[right] != c.right_id) continue;
    ids[c.left] = c.result;
    ids[right] = kGone;
    next[c.left] = next[right];
    if (next[right] != kNone) previous[next[right]] = c.left;
    consider(previous[c.left]);
    consider(c.left);
  }
  std::erase(ids, kGone);
}

}  // namespace rooftop::inference
