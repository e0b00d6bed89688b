#include "inference/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rooftop::inference {
namespace {

using testing::ElementsAre;
using Tokens = std::vector<std::int32_t>;

TEST(Draft, ContinuesTheLongestMatch) {
  // "1 2 3" occurred before and was followed by 9 8; "2 3" more recently by 7.
  EXPECT_THAT(guess_next(Tokens{1, 2, 3, 9, 8, 5, 2, 3, 7, 1, 2, 3}, 2), ElementsAre(9, 8));
  EXPECT_THAT(guess_next(Tokens{5, 2, 3, 7, 4, 2, 3}, 3), ElementsAre(7, 4, 2));
  EXPECT_THAT(guess_next(Tokens{6, 3, 7, 3}, 1), ElementsAre(7));
}

TEST(Draft, TheMostRecentOccurrenceWins) {
  EXPECT_THAT(guess_next(Tokens{3, 1, 3, 2, 3}, 1), ElementsAre(2));
}

TEST(Draft, APatternGoesOn) {
  EXPECT_THAT(guess_next(Tokens{1, 2, 1, 2, 1, 2}, 5), ElementsAre(1, 2, 1, 2, 1));
  EXPECT_THAT(guess_next(Tokens{4, 4}, 3), ElementsAre(4, 4, 4));
}

TEST(Draft, WithoutAMatchTheLastTokenFillsUp) {
  EXPECT_THAT(guess_next(Tokens{1, 2, 3}, 2), ElementsAre(3, 3));
  EXPECT_THAT(guess_next(Tokens{1}, 2), ElementsAre(1, 1));
  EXPECT_THAT(guess_next(Tokens{1, 1}, 0), ElementsAre());
}

}  // namespace
}  // namespace rooftop::inference
