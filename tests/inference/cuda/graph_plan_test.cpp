#include "inference/cuda/graph_plan.h"

#include <gtest/gtest.h>

namespace rooftop::inference::cuda {
namespace {

StepShape shape(std::int32_t batch, std::int32_t splits = 1) {
  StepShape s;
  s.batch = s.rows = s.logit_rows = batch;
  s.most_rows = 1;
  s.splits = splits;
  return s;
}

TEST(GraphPlan, ComputesThenRecordsThenReplays) {
  GraphPlan plan;
  EXPECT_EQ(plan.decide(shape(1)).work, StepWork::kCompute);
  const auto recorded = plan.decide(shape(1));
  EXPECT_EQ(recorded.work, StepWork::kRecord);
  for (int i = 0; i < 3; ++i) {
    const auto replayed = plan.decide(shape(1));
    EXPECT_EQ(replayed.work, StepWork::kReplay);
    EXPECT_EQ(replayed.id, recorded.id);
  }
}

TEST(GraphPlan, TellsShapesApart) {
  GraphPlan plan;
  const std::vector<StepShape> shapes = [] {
    std::vector<StepShape> list = {shape(1), shape(2), shape(1, 2)};
    list.push_back(shape(1));
    list.back().split_keys = 128;
    list.push_back(shape(1));
    list.back().most_rows = 2;
    list.push_back(shape(1));
    list.back().logit_rows = 0;
    list.push_back(shape(1));
    list.back().sequences = {{0, 0, 1, 7}};
    list.push_back(shape(1));
    list.back().sequences = {{0, 0, 1, 8}};
    return list;
  }();
  for (const auto& s : shapes) EXPECT_EQ(plan.decide(s).work, StepWork::kCompute);
  for (const auto& s : shapes) EXPECT_EQ(plan.decide(s).work, StepWork::kRecord);
}

TEST(GraphPlan, ForgetsTheShapeThatWasUsedLongestAgo) {
  GraphPlan plan(2);
  plan.decide(shape(1));
  const auto first = plan.decide(shape(1));
  plan.decide(shape(2));
  plan.decide(shape(1));  // used again: 2 is the older now
  plan.decide(shape(2));
  plan.decide(shape(1));
  const auto third = plan.decide(shape(3));
  ASSERT_TRUE(third.evicted.has_value());
  EXPECT_NE(*third.evicted, first.id);
  EXPECT_EQ(plan.decide(shape(1)).work, StepWork::kReplay);
  EXPECT_EQ(plan.decide(shape(2)).work, StepWork::kCompute);
}

TEST(GraphPlan, NeverUsesAnIdTwice) {
  GraphPlan plan;
  plan.decide(shape(1));
  const auto before = plan.decide(shape(1)).id;
  plan.clear();
  EXPECT_EQ(plan.decide(shape(1)).work, StepWork::kCompute);
  EXPECT_NE(plan.decide(shape(1)).id, before);
}

TEST(GraphPlan, DecodeIsWorthAGraphPrefillIsNot) {
  const std::vector<std::int32_t> tokens(300, 0);
  const auto worth = [&](std::vector<SequenceRows> sequences) {
    std::size_t rows = 0;
    for (const auto& s : sequences) rows += static_cast<std::size_t>(s.rows);
    return worth_a_graph({std::span(tokens).first(rows), sequences, {}});
  };
  EXPECT_TRUE(worth({{0, 0, 1, 9}}));
  EXPECT_TRUE(worth({{0, 0, 64, 90}, {1, 64, 64, 65}}));
  EXPECT_FALSE(worth({{0, 0, 7, 7}}));                // prefill
  EXPECT_FALSE(worth({{0, 0, 1, 9}, {1, 1, 4, 4}}));  // prefill among decode
  EXPECT_FALSE(worth({{0, 0, 200, 900}}));            // a chunk of a long prompt
}

TEST(PlannedLength, CoversTheKeysWithoutMuchMore) {
  constexpr std::int64_t kMost = 100000;
  std::int64_t before = 0;
  int changes = 0;
  for (std::int64_t longest = 1; longest <= 8192; ++longest) {
    const std::int64_t planned = planned_length(longest, kMost);
    ASSERT_GE(planned, longest);
    ASSERT_LT(planned - longest, std::max<std::int64_t>(128, longest / 4 + 1));
    if (planned != before) ++changes;
    before = planned;
  }
  EXPECT_LE(changes, 40);  // each is another graph
  EXPECT_EQ(planned_length(90, 100), 100);
}

}  // namespace
}  // namespace rooftop::inference::cuda
