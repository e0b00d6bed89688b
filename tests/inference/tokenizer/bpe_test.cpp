#include "inference/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "inference/tokenizer/byte_level.h"

namespace rooftop::inference {
namespace {

using Ids = std::vector<std::int32_t>;

// The textbook form: look at all pairs, apply the best rule at its leftmost place, start again.
Ids naive(const TokenizerSpec& spec, Ids ids) {
  std::map<std::pair<std::int32_t, std::int32_t>, std::pair<std::size_t, std::int32_t>> rules;
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const Merge& m = spec.merges[rank];
    rules[{m.left, m.right}] = {rank, m.result};
  }
  for (;;) {
    std::size_t best = ids.size();
    std::size_t best_rank = spec.merges.size();
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = rules.find({ids[i], ids[i + 1]});
      if (it != rules.end() && it->second.first < best_rank) {
        best_rank = it->second.first;
        best = i;
      }
    }
    if (best == ids.size()) return ids;
    ids[best] = rules.at({ids[best], ids[best + 1]}).second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TokenizerSpec letters(const std::string& alphabet) {
  TokenizerSpec spec;
  for (const char c : alphabet) spec.tokens.emplace_back(1, c);
  return spec;
}

TEST(Bpe, EqualsTheTextbookOnRandomRules) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    TokenizerSpec spec = letters("abc");
    while (spec.tokens.size() < 20) {
      const auto pick = [&] { return static_cast<std::int32_t>(random() % spec.tokens.size()); };
      const std::int32_t left = pick();
      const std::int32_t right = pick();
      spec.merges.push_back({left, right, static_cast<std::int32_t>(spec.tokens.size())});
      spec.tokens.push_back(spec.tokens[static_cast<std::size_t>(left)] +
                            spec.tokens[static_cast<std::size_t>(right)]);
    }
    std::string text(random() % 60, 'a');
    Ids start;
    for (char& c : text) {
      c = static_cast<char>('a' + random() % 3);
      start.push_back(c - 'a');
    }
    Ids ids;
    Bpe(spec).encode(text, ids);
    EXPECT_EQ(ids, naive(spec, start)) << text;
  }
}

TEST(Bpe, WholeTokensStayWholeOnlyWithIgnoreMerges) {
  TokenizerSpec spec = letters("ab");
  spec.tokens.emplace_back("ab");  // no merge makes it
  Ids ids;
  Bpe(spec).encode("ab", ids);
  EXPECT_EQ(ids, (Ids{0, 1}));
  ids.clear();
  spec.ignore_merges = true;
  Bpe(spec).encode("ab", ids);
  EXPECT_EQ(ids, (Ids{2}));
}

TEST(Bpe, UnknownBytesAreLeftOutOrMarked) {
  TokenizerSpec spec = letters("ab?");
  Ids ids;
  Bpe(spec).encode("axyb", ids);
  EXPECT_EQ(ids, (Ids{0, 1}));
  ids.clear();
  spec.unknown = 2;
  Bpe(spec).encode("axyb", ids);
  EXPECT_EQ(ids, (Ids{0, 2, 2, 1}));
  ids.clear();
  spec.fuse_unknown = true;
  Bpe(spec).encode("axyb", ids);
  EXPECT_EQ(ids, (Ids{0, 2, 1}));
}

}  // namespace
}  // namespace rooftop::inference
