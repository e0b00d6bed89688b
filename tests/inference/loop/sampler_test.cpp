#include "inference/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace rooftop::inference {
namespace {

using Logits = std::vector<float>;

TEST(Largest, IsTheFirstOfEquals) {
  EXPECT_EQ(largest(Logits{1, 3, 2, 3}), 1);
  EXPECT_EQ(largest(Logits{-5}), 0);
  EXPECT_EQ(largest(Logits{-HUGE_VALF, -HUGE_VALF}), 0);
  EXPECT_EQ(largest(Logits{NAN, 1, NAN, 2}), 3);
  EXPECT_EQ(largest(Logits{NAN, NAN}), 0);
}

TEST(Sampler, TemperatureZeroIsGreedy) {
  Sampler sampler(0, 0.5, 1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(sampler.draw(Logits{0, 2, 1, 2}), 1);
}

std::vector<double> frequencies(Sampler sampler, const Logits& logits, int draws) {
  std::vector<double> out(logits.size());
  for (int i = 0; i < draws; ++i) {
    out.at(static_cast<std::size_t>(sampler.draw(logits))) += 1.0 / draws;
  }
  return out;
}

TEST(Sampler, DrawsWithTheSoftmaxProbabilities) {
  const Logits logits = {0, 1, -1, 2, -HUGE_VALF};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    double total = 0;
    for (const float l : logits) total += std::exp(l / temperature);
    const auto seen = frequencies(Sampler(temperature, 1, 9), logits, 40'000);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(seen[i], std::exp(logits[i] / temperature) / total, 0.01);
    }
    EXPECT_EQ(seen[4], 0);
  }
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.1, 0.4, 0.2, 0.3.
  const Logits logits = {std::log(0.1F), std::log(0.4F), std::log(0.2F), std::log(0.3F)};
  const auto most = frequencies(Sampler(1, 0.35, 2), logits, 1000);
  EXPECT_NEAR(most[1], 1, 1e-9);
  const auto two = frequencies(Sampler(1, 0.65, 2), logits, 40'000);
  EXPECT_NEAR(two[1], 4.0 / 7, 0.01);
  EXPECT_NEAR(two[3], 3.0 / 7, 0.01);
  EXPECT_EQ(two[0] + two[2], 0);
  const auto three = frequencies(Sampler(1, 0.85, 2), logits, 40'000);
  EXPECT_NEAR(three[2], 2.0 / 9, 0.01);
  EXPECT_EQ(three[0], 0);
}

TEST(Sampler, TopPOfEqualTokensStillDrawsSome) {
  const Logits logits(100, 0.5F);
  const auto seen = frequencies(Sampler(1, 0.5, 2), logits, 5000);
  double kept = 0;
  for (const double f : seen) kept += f > 0 ? 1 : 0;
  EXPECT_NEAR(kept, 50, 1);
}

TEST(Sampler, SeedsAndStreamsAreReproducibleAndApart) {
  const Logits logits(100, 0.0F);
  const auto draw = [&](std::uint64_t seed, std::uint64_t stream) {
    Sampler sampler(1, 1, seed, stream);
    std::vector<std::int32_t> out;
    for (int i = 0; i < 8; ++i) out.push_back(sampler.draw(logits));
    return out;
  };
  EXPECT_EQ(draw(1, 0), draw(1, 0));
  EXPECT_NE(draw(1, 0), draw(2, 0));
  EXPECT_NE(draw(1, 0), draw(1, 1));
}

TEST(Sampler, InfiniteLogitsDoNotHangIt) {
  Sampler sampler(1, 0.9, 1);
  EXPECT_EQ(sampler.draw(Logits{0, HUGE_VALF, 1}), 1);
  EXPECT_EQ(sampler.draw(Logits{NAN, NAN}), 0);
  EXPECT_EQ(sampler.draw(Logits{NAN, 1}), 1);
}

}  // namespace
}  // namespace rooftop::inference
