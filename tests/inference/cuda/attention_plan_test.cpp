// Plans of attention cover every key, fill the GPU where they can, and leave a full one alone.
#include "inference/cuda/attention_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace rooftop::inference::cuda {
namespace {

constexpr std::int32_t kH100 = 132;  // multiprocessors

TEST(AttentionPlan, SplitsCoverEveryKeyAndAreNotTiny) {
  std::mt19937 engine(1);
  const auto draw = [&](std::int32_t low, std::int32_t high) {
    return std::uniform_int_distribution<std::int32_t>(low, high)(engine);
  };
  const std::int32_t groups[] = {1, 2, 3, 4, 8};
  for (int i = 0; i < 20000; ++i) {
    const std::int32_t batch = draw(1, i % 2 == 0 ? 4 : 200);
    const std::int32_t rows = draw(1, i % 3 == 0 ? 3000 : 5);
    const std::int32_t kv_heads = draw(1, 40);
    const std::int32_t group = groups[draw(0, 4)];
    const std::int32_t length = rows + draw(0, i % 5 == 0 ? 200000 : 3000);
    const std::int32_t multiprocessors = draw(1, 160);
    const auto plan = plan_attention(batch, rows, group * kv_heads, kv_heads, 8 * draw(1, 32),
                                     length, multiprocessors);
    SCOPED_TRACE(testing::Message() << "batch " << batch << " rows " << rows << " group " << group
                                    << " length " << length);
    ASSERT_GE(plan.splits, 1);
    ASSERT_LE(plan.splits, 256);
    ASSERT_EQ(plan.split_keys % 64, 0);
    ASSERT_GE(std::int64_t{plan.splits} * plan.split_keys, length);
    ASSERT_LT(std::int64_t{plan.splits - 1} * plan.split_keys, length) << "a split has no keys";
    ASSERT_EQ(plan.kernel == AttentionKernel::kDecode, rows * group <= 4);
    ASSERT_TRUE(plan.splits == 1 || plan.split_keys >= 128);
  }
}

TEST(AttentionPlan, DecodeOfOneSequenceFillsTheGpu) {
  // 32 heads without groups, as of a 7B model: 32 blocks for 132 multiprocessors.
  const auto plan = plan_attention(1, 1, 32, 32, 128, 4096, kH100);
  EXPECT_EQ(plan.kernel, AttentionKernel::kDecode);
  EXPECT_GE(32 * plan.splits, 2 * 4 * kH100 - 32);
  EXPECT_EQ(plan.partial_bytes, std::int64_t{32} * plan.splits * 128 * 4);
  EXPECT_EQ(plan.partial_log_sum_bytes, std::int64_t{32} * plan.splits * 4);
}

TEST(AttentionPlan, ShortKeysAreNotSplit) {
  const auto plan = plan_attention(1, 1, 32, 32, 128, 200, kH100);
  EXPECT_EQ(plan.splits, 1);
  EXPECT_EQ(plan.partial_bytes, 0);
  EXPECT_EQ(plan.partial_log_sum_bytes, 0);
}

TEST(AttentionPlan, FullGpuIsLeftAlone) {
  const auto prefill = plan_attention(1, 2048, 32, 32, 128, 2048, kH100);
  EXPECT_EQ(prefill.kernel, AttentionKernel::kTiled);
  EXPECT_EQ(prefill.splits, 1);
  EXPECT_EQ(plan_attention(64, 1, 32, 32, 128, 4096, kH100).splits, 1);
}

TEST(AttentionPlan, FewRowsOfALongSequenceAreSplit) {
  const auto candidates = plan_attention(1, 8, 32, 8, 128, 8192, kH100);
  EXPECT_EQ(candidates.kernel, AttentionKernel::kTiled);
  EXPECT_GT(candidates.splits, 8);
  // One tile of rows per head, 32 blocks: but a whole prompt of 512 rows is not worth it.
  EXPECT_EQ(plan_attention(1, 512, 32, 32, 128, 512, kH100).splits, 1);
}

TEST(AttentionPlan, GroupsShareTheirKeys) {
  // Four heads of a group and one row: few enough for the decode kernel; eight are not.
  EXPECT_EQ(plan_attention(1, 1, 32, 8, 128, 4096, kH100).kernel, AttentionKernel::kDecode);
  EXPECT_EQ(plan_attention(1, 1, 64, 8, 128, 4096, kH100).kernel, AttentionKernel::kTiled);
}

TEST(AttentionPlan, TilesOfTheTiledKernel) {
  EXPECT_EQ(attention_tile_rows(128, 16), 16);
  EXPECT_EQ(attention_tile_rows(128, 17), 64);
  EXPECT_EQ(attention_tile_rows(256, 5), 64);
  EXPECT_EQ(attention_tile_rows(128, 64), 64);
  EXPECT_EQ(attention_tile_rows(128, 65), 128);
  EXPECT_EQ(attention_tile_rows(64, 2048), 128);
  EXPECT_EQ(attention_tile_rows(256, 2048), 64);
  EXPECT_EQ(attention_tile_rows(8, 2048), 64);
}

}  // namespace
}  // namespace rooftop::inference::cuda
