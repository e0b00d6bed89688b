// The planned products, carried out one by one on indices, must touch exactly what attention's
// definition says: every (row, head, key) once, from the right places.
#include "inference/cuda/unfused_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

namespace rooftop::inference::cuda {
namespace {

struct Touched {
  std::int64_t q;      // element of q where the row's head begins
  std::int64_t cache;  // element of the cache where the key's head begins
};
// By element of the scores.
using Products = std::map<std::int64_t, Touched>;

Products carry_out(const UnfusedPlan& plan, std::int64_t head_dim) {
  Products out;
  for (const HeadProducts& p : plan.products) {
    for (std::int64_t b = 0; b < p.batch; ++b) {
      for (std::int64_t row = 0; row < p.rows; ++row) {
        for (std::int64_t key = 0; key < p.keys; ++key) {
          const std::int64_t score = p.score_offset + b * p.score_stride + row * p.keys + key;
          const bool fresh =
              out.emplace(score, Touched{p.q_offset + b * p.q_stride + row * p.q_row_stride,
                                         p.cache_offset + b * p.cache_stride + key * head_dim})
                  .second;
          EXPECT_TRUE(fresh) << "score " << score << " is computed twice";
        }
      }
    }
  }
  return out;
}

void expect_attention(const std::vector<SequenceRows>& sequences, const HeadShape& shape) {
  const UnfusedPlan plan = plan_unfused(sequences, shape);
  const Products products = carry_out(plan, shape.head_dim);
  std::int64_t scores = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    ASSERT_EQ(plan.score_offset[i], scores);
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
      for (std::int64_t row = 0; row < s.rows; ++row) {
        for (std::int64_t key = 0; key < s.length; ++key) {
          const auto found = products.find(scores++);
          ASSERT_NE(found, products.end());
          ASSERT_EQ(found->second.q, ((s.first_row + row) * shape.heads + head) * shape.head_dim);
          ASSERT_EQ(
              found->second.cache,
              ((s.slot * shape.kv_heads + kv_head) * shape.max_length + key) * shape.head_dim);
        }
      }
    }
  }
  EXPECT_EQ(plan.score_elements, scores);
  EXPECT_EQ(std::ssize(products), scores);
}

TEST(UnfusedPlan, EqualDecodeStepsAreOneCall) {
  const HeadShape shape{8, 2, 16, 100};
  const std::vector<SequenceRows> step = {{3, 0, 1, 50}, {4, 1, 1, 50}, {5, 2, 1, 50}};
  EXPECT_EQ(plan_unfused(step, shape).products.size(), 1U);
  expect_attention(step, shape);
}

TEST(UnfusedPlan, WhatIsNotEvenlySpacedIsNotOneCall) {
  const HeadShape shape{4, 4, 8, 100};
  for (const auto& step :
       std::vector<std::vector<SequenceRows>>{{{0, 0, 1, 50}, {1, 1, 1, 51}},     // lengths
                                              {{0, 0, 1, 50}, {2, 1, 1, 50}},     // slots
                                              {{1, 0, 1, 50}, {0, 1, 1, 50}}}) {  // their order
    EXPECT_EQ(plan_unfused(step, shape).products.size(), 2U);
    expect_attention(step, shape);
  }
}

TEST(UnfusedPlan, SeveralRowsShareKvHeadsByCalls) {
  const std::vector<SequenceRows> step = {{0, 0, 5, 9}};
  EXPECT_EQ(plan_unfused(step, {6, 6, 8, 20}).products.size(), 1U);
  EXPECT_EQ(plan_unfused(step, {6, 2, 8, 20}).products.size(), 3U);
}

TEST(UnfusedPlan, RandomStepsAreAttention) {
  std::mt19937_64 engine(3);
  const auto random = [&](std::int64_t least, std::int64_t most) {
    return least +
           static_cast<std::int64_t>(engine() % static_cast<std::uint64_t>(most - least + 1));
  };
  for (int round = 0; round < 60; ++round) {
    const std::int64_t kv_heads = random(1, 3);
    const HeadShape shape{kv_heads * random(1, 4), kv_heads, 8 * random(1, 3), random(20, 30)};
    std::vector<SequenceRows> step;
    std::int32_t rows = 0;
    for (std::int64_t i = random(1, 4); i > 0; --i) {
      const auto mine = static_cast<std::int32_t>(random(1, 4));
      const auto slot = static_cast<std::int32_t>(round % 2 == 0 ? i : std::ssize(step));
      step.push_back({slot, rows, mine, mine + static_cast<std::int32_t>(random(0, 15))});
      rows += mine;
    }
    expect_attention(step, shape);
  }
}

TEST(UnfusedPlan, EmptyStepsHaveNone) {
  EXPECT_TRUE(plan_unfused({}, {1, 1, 8, 8}).products.empty());
}

}  // namespace
}  // namespace rooftop::inference::cuda
