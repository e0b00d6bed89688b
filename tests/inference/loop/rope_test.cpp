#include "inference/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rooftop::inference {
namespace {

TEST(Rope, PlainFrequenciesArePowersOfTheta) {
  RopeConfig rope;
  rope.theta = 100000;
  const auto f = rope_frequencies(rope, 64);
  ASSERT_EQ(f.size(), 32U);
  EXPECT_DOUBLE_EQ(f[0], 1.0);
  EXPECT_DOUBLE_EQ(f[16], std::pow(100000.0, -0.5));
}

TEST(Rope, Llama3ScalingAsInLlama32) {
  // Llama 3.2 1B: figures from Transformers' own function (float32, hence the tolerance).
  RopeConfig rope{500000, RopeScaling::kLlama3, 32, 1, 4, 8192};
  const auto f = rope_frequencies(rope, 64);
  const auto plain = [](int i) { return std::pow(500000.0, -2.0 * i / 64); };
  EXPECT_DOUBLE_EQ(f[0], 1.0);  // fast pairs are kept
  EXPECT_DOUBLE_EQ(f[10], plain(10));
  EXPECT_DOUBLE_EQ(f[31], plain(31) / 32);  // slow ones stretched
  EXPECT_DOUBLE_EQ(f[20], plain(20) / 32);
  EXPECT_NEAR(f[15], 1.2905e-3, 1e-7);  // between: mixed
}

TEST(Rope, TableHoldsEveryPosition) {
  RopeConfig rope;
  const RopeTable table(rope, 8, 5000);
  ASSERT_EQ(table.cosine.size(), 5000U * 4U);
  const double angle = 4999 * std::pow(10000.0, -2.0 * 3 / 8);
  EXPECT_FLOAT_EQ(table.cosine[4999 * 4 + 3], static_cast<float>(std::cos(angle)));
  EXPECT_FLOAT_EQ(table.sine[4999 * 4 + 3], static_cast<float>(std::sin(angle)));
  EXPECT_EQ(table.cosine[0], 1.0F);
  EXPECT_EQ(table.sine[0], 0.0F);
}

}  // namespace
}  // namespace rooftop::inference
