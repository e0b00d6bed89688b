// What is remembered of a kernel, and which configuration a step gets.
#include "profiler/capture/cupti/counter_memo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <ranges>

#include "profiler/capture/cupti/counter_rotation.h"

namespace rooftop::capture {
namespace {

using ::testing::ElementsAre;
using Values = std::vector<double>;

StepShape decode(std::uint32_t length, std::uint32_t batch = 4) {
  return shape_of({.phase = nvtx::kAr, .batch = batch, .query_tokens = 1, .length = length});
}

LaunchSignature kernel(std::uint32_t op, const StepShape& step) {
  return {
      .name = "k", .grid = {8, 1, 1}, .block = {128, 1, 1}, .op = op, .shape = shape_for(op, step)};
}

TEST(FlopMemo, TwoEqualObservationsSettle) {
  FlopMemo memo;
  const LaunchSignature k = kernel(nvtx::kQkv, decode(10));
  memo.observe(k, 2, Values{1, 2});
  EXPECT_EQ(memo.find(k, 2), nullptr);
  EXPECT_TRUE(memo.wants(k, 2));
  memo.observe(k, 2, Values{1, 2});
  ASSERT_NE(memo.find(k, 2), nullptr);
  EXPECT_THAT(*memo.find(k, 2), ElementsAre(1, 2));
  EXPECT_FALSE(memo.wants(k, 2));
}

TEST(FlopMemo, ObservationsThatDifferDoNot) {
  FlopMemo memo;
  const LaunchSignature k = kernel(nvtx::kQkv, decode(10));
  for (double v = 0; v < 10; ++v) memo.observe(k, 0, Values{v});
  EXPECT_EQ(memo.find(k, 0), nullptr);
  EXPECT_FALSE(memo.wants(k, 0)) << "enough was tried";
  memo.observe(k, 0, Values{9});
  EXPECT_EQ(memo.find(k, 0), nullptr);
}

TEST(FlopMemo, WhatWasKnownIsForgottenWhereItIsContradicted) {
  FlopMemo memo;
  const LaunchSignature k = kernel(nvtx::kQkv, decode(10));
  memo.observe(k, 0, Values{1});
  memo.observe(k, 0, Values{1});
  memo.observe(k, 0, Values{2});
  EXPECT_EQ(memo.find(k, 0), nullptr);
}

TEST(FlopMemo, ConfigurationsAreApart) {
  FlopMemo memo;
  const LaunchSignature k = kernel(nvtx::kQkv, decode(10));
  memo.observe(k, 0, Values{1});
  memo.observe(k, 1, Values{1});
  EXPECT_EQ(memo.find(k, 0), nullptr);
}

TEST(FlopMemo, ProductsAreTheSameAtEveryLengthAttentionIsNot) {
  FlopMemo memo;
  for (int i = 0; i < 2; ++i) {
    memo.observe(kernel(nvtx::kQkv, decode(10)), 0, Values{5});
    memo.observe(kernel(nvtx::kQkPv, decode(10)), 0, Values{5});
    memo.observe(kernel(0, decode(10)), 0, Values{5});
  }
  EXPECT_NE(memo.find(kernel(nvtx::kQkv, decode(11)), 0), nullptr);
  EXPECT_EQ(memo.find(kernel(nvtx::kQkv, decode(10, 8)), 0), nullptr);
  EXPECT_EQ(memo.find(kernel(nvtx::kQkPv, decode(11)), 0), nullptr);
  EXPECT_NE(memo.find(kernel(nvtx::kQkPv, decode(10)), 0), nullptr);
  EXPECT_EQ(memo.find(kernel(0, decode(11)), 0), nullptr) << "no operator is known";
}

TEST(FlopMemo, KernelsOfOneShapeAreToldApartByTheirOperator) {
  FlopMemo memo;
  for (int i = 0; i < 2; ++i) memo.observe(kernel(nvtx::kQk, decode(10)), 0, Values{5});
  EXPECT_EQ(memo.find(kernel(nvtx::kPv, decode(10)), 0), nullptr);
}

TEST(FlopMemo, IsBounded) {
  FlopMemo memo;
  for (std::uint32_t i = 0; i < 100'000; ++i) memo.observe(kernel(0, decode(i)), 0, Values{1});
  EXPECT_LE(memo.size(), 65536U);
}

TEST(CounterRotation, EqualStepsTakeEveryConfiguration) {
  CounterRotation rotation(3, 1);
  std::vector<std::size_t> taken;
  for (int i = 0; i < 8; ++i) taken.push_back(rotation.next(decode(10)));
  EXPECT_THAT(taken, ElementsAre(0, 3, 1, 2, 0, 3, 1, 2));
}

TEST(CounterRotation, InstructionsThatAreKnownAreLeftOut) {
  CounterRotation rotation(2, 1);
  rotation.next(decode(10));
  rotation.next(decode(10));
  rotation.instructions_known(decode(10), true);
  std::vector<std::size_t> taken;
  for (int i = 0; i < 4; ++i) taken.push_back(rotation.next(decode(10)));
  EXPECT_THAT(taken, ElementsAre(1, 0, 1, 0));
}

TEST(CounterRotation, GrowingDecodeStepsKeepTheirBytesButForAFew) {
  CounterRotation rotation(2, 1);
  std::vector<std::size_t> taken;
  for (std::uint32_t length = 10; length < 20; ++length)
    taken.push_back(rotation.next(decode(length)));
  EXPECT_THAT(taken, ElementsAre(0, 0, 2, 2, 0, 0, 0, 0, 0, 0));
}

// Any mixture of steps: over the visits of one shape no configuration that is still wanted is more
// than one behind another.
TEST(CounterRotation, IsFairToEveryShape) {
  std::mt19937 random(7);
  CounterRotation rotation(3, 2);
  std::map<std::uint32_t, std::map<std::size_t, int>> counts;
  for (int i = 0; i < 5000; ++i) {
    const auto length = static_cast<std::uint32_t>(1 + random() % 20);
    ++counts[length][rotation.next(decode(length))];
  }
  for (const auto& [length, of] : counts) {
    ASSERT_EQ(of.size(), 5U);
    const auto [low, high] = std::ranges::minmax(of | std::views::values);
    EXPECT_LE(high - low, 1) << length;
  }
}

}  // namespace
}  // namespace rooftop::capture
