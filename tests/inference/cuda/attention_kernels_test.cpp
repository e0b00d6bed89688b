// The attention kernels against the definition: types, head sizes, group sizes, ragged batches,
// several rows of a sequence, splits of the keys, lengths that change under a captured launch.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "inference/cuda/attention_device.h"
#include "profiler/core/error.h"
#include "tests/host_executor/host_executor.h"
#include "tests/inference/cuda/attention_case.h"

namespace rooftop::inference::cuda {
namespace {

using host_executor::Options;
using host_executor::Schedule;
using host_executor::set_options;

constexpr DType kTypes[] = {DType::kBF16, DType::kF16};
constexpr std::int32_t kHeadDims[] = {8, 16, 48, 64, 80, 128, 256};

std::vector<RowsAndKeys> random_sequences(std::mt19937_64& engine, std::int32_t most_rows,
                                          std::int32_t most_keys) {
  std::uniform_int_distribution<std::int32_t> count(1, 3);
  std::uniform_int_distribution<std::int32_t> rows(1, most_rows);
  std::uniform_int_distribution<std::int32_t> before(0, most_keys);
  std::vector<RowsAndKeys> sequences(static_cast<std::size_t>(count(engine)));
  for (auto& sequence : sequences) sequence = {rows(engine), before(engine)};
  return sequences;
}

class EveryHeadSize : public testing::TestWithParam<std::tuple<DType, std::int32_t>> {
 protected:
  DType dtype() const { return std::get<0>(GetParam()); }
  std::int32_t head_dim() const { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Attention, EveryHeadSize,
                         testing::Combine(testing::ValuesIn(kTypes), testing::ValuesIn(kHeadDims)),
                         [](const auto& test) {
                           const bool half = std::get<0>(test.param) == DType::kF16;
                           return (half ? "F16_" : "BF16_") +
                                  std::to_string(std::get<1>(test.param));
                         });

TEST_P(EveryHeadSize, Tiled) {
  AttentionCase ragged(dtype(), {2, 2, head_dim()}, {{1, 0}, {37, 0}, {20, 71}, {32, 3}}, 1);
  ragged.check_tiled();
}

TEST_P(EveryHeadSize, TiledMoreRowsThanOneTile) {
  AttentionCase ragged(dtype(), {1, 1, head_dim()}, {{131, 0}, {2, 60}, {70, 9}}, 2);
  ragged.check_tiled();
}

// So few that the warps share out the keys.
TEST_P(EveryHeadSize, TiledFewRows) {
  AttentionCase ragged(dtype(), {8, 1, head_dim()}, {{1, 0}, {2, 150}, {1, 40}, {2, 18}}, 6);
  ragged.check_tiled();
  ragged.check_tiled(3, 64);
}

TEST_P(EveryHeadSize, TiledSplits) {
  AttentionCase ragged(dtype(), {3, 1, head_dim()}, {{5, 130}, {1, 0}, {9, 55}}, 3);
  ragged.check_tiled(3, 64);
}

TEST_P(EveryHeadSize, Decode) {
  AttentionCase ragged(dtype(), {2, 2, head_dim()}, {{1, 0}, {2, 150}, {1, 33}, {2, 0}}, 4);
  ragged.check_decode();
}

TEST_P(EveryHeadSize, DecodeSplits) {
  AttentionCase ragged(dtype(), {1, 2, head_dim()}, {{1, 0}, {1, 199}, {1, 64}, {1, 63}}, 5);
  ragged.check_decode(4, 64);
}

class EveryGroupSize : public testing::TestWithParam<std::int32_t> {};
INSTANTIATE_TEST_SUITE_P(Attention, EveryGroupSize, testing::Values(1, 2, 3, 4, 8));

TEST_P(EveryGroupSize, Tiled) {
  std::mt19937_64 engine(static_cast<std::uint64_t>(GetParam()));
  for (int i = 0; i < 4; ++i) {
    const auto sequences = random_sequences(engine, 120 / GetParam(), 80);
    AttentionCase ragged(kTypes[i % 2], {GetParam(), 2, 64}, sequences, engine());
    ragged.check_tiled();
    ragged.check_tiled(4, 64);
    AttentionCase few(kTypes[i % 2], {GetParam(), 2, 64},
                      random_sequences(engine, 16 / GetParam(), 190), engine());
    few.check_tiled();
    few.check_tiled(2, 128);
  }
}

class EveryDecodeGroupSize : public testing::TestWithParam<std::int32_t> {};
INSTANTIATE_TEST_SUITE_P(Attention, EveryDecodeGroupSize, testing::Range(1, kMostDecodeRows + 1));

TEST_P(EveryDecodeGroupSize, Decode) {
  std::mt19937_64 engine(static_cast<std::uint64_t>(GetParam()) + 100);
  for (int i = 0; i < 6; ++i) {
    const auto sequences = random_sequences(engine, kMostDecodeRows / GetParam(), 190);
    AttentionCase ragged(kTypes[i % 2], {GetParam(), 2, i < 3 ? 48 : 128}, sequences, engine());
    ragged.check_decode();
    ragged.check_decode(2, 128);
  }
}

// Keys that end, and rows whose own position lies, on and around the edges of the tiles.
TEST(AttentionKernels, LengthsAroundTheTiles) {
  for (const std::int32_t length :
       {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129}) {
    AttentionCase whole(DType::kBF16, {1, 1, 64}, {{length, 0}}, 10);
    whole.check_tiled();
    AttentionCase last(DType::kF16, {2, 1, 128}, {{1, length - 1}}, 11);
    last.check_tiled();
    last.check_decode();
    last.check_decode(3, 64);
  }
}

// A captured launch is replayed with lengths that its splits were sized for, or any shorter ones.
TEST(AttentionKernels, LengthsComeFromDeviceMemory) {
  AttentionCase step(DType::kBF16, {2, 2, 64}, {{2, 250}, {2, 1}, {2, 64}}, 12);
  step.check_decode(4, 64);
  step.check_tiled(4, 64);
  for (const auto& before :
       {std::vector{0, 0, 0}, std::vector{61, 62, 63}, std::vector{3, 250, 126}}) {
    step.set_keys_before(before);
    step.check_decode(4, 64);
    step.check_tiled(4, 64);
    step.check_tiled();
  }
}

// The first rows of a sequence see none of the keys of the last split.
TEST(AttentionKernels, SplitsBeyondTheFirstRows) {
  AttentionCase prompt(DType::kF16, {1, 2, 128}, {{150, 0}, {66, 0}}, 13);
  prompt.check_tiled(3, 64);
  AttentionCase candidates(DType::kBF16, {1, 1, 64}, {{4, 62}, {3, 0}}, 14);
  candidates.check_decode(2, 64);
  candidates.check_tiled(2, 64);
}

TEST(AttentionKernels, ManySplits) {
  AttentionCase step(DType::kBF16, {1, 1, 16}, {{1, 2500}, {1, 10}}, 15);
  step.check_decode(40, 64);
  step.check_tiled(40, 64);
}

// Scores of several thousand: one key takes all, in some rows an early one, in others a late one.
TEST(AttentionKernels, LargeScores) {
  AttentionCase step(DType::kBF16, {1, 2, 64}, {{4, 140}, {2, 0}}, 16, 30.0);
  step.check_decode();
  step.check_decode(3, 64);
  step.check_tiled();
  step.check_tiled(3, 64);
}

TEST(AttentionKernels, SequenceWithoutRows) {
  AttentionCase step(DType::kBF16, {1, 1, 64}, {{0, 10}, {3, 20}, {0, 0}}, 17);
  step.check_decode();
  step.check_tiled();
  step.check_tiled(2, 64);
}

TEST(AttentionKernels, SameBitsInEverySchedule) {
  AttentionCase step(DType::kBF16, {4, 1, 64}, {{1, 140}, {1, 77}}, 18);
  AttentionCase prompt(DType::kBF16, {1, 1, 128}, {{70, 20}}, 19);
  AttentionCase few(DType::kF16, {8, 1, 64}, {{1, 140}, {2, 60}}, 20);
  Stored of_step;
  Stored of_prompt;
  Stored of_few;
  for (const Schedule schedule : {Schedule::kAscending, Schedule::kDescending, Schedule::kRandom}) {
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      set_options({.schedule = schedule, .seed = seed});
      step.check_decode(3, 64);
      prompt.check_tiled();
      few.check_tiled();
      if (of_step.empty()) {
        of_step = step.output();
        of_prompt = prompt.output();
        of_few = few.output();
      }
      EXPECT_EQ(of_step, step.output());
      EXPECT_EQ(of_prompt, prompt.output());
      EXPECT_EQ(of_few, few.output());
    }
  }
  set_options(Options{});
}

// The multiplication that stands for a division, around every multiple near its limit.
TEST(AttentionKernels, PackedRowsAreDividedExactly) {
  for (std::int32_t group = 1; group <= 200; ++group) {
    AttentionCall call;
    call.kv_heads = 1;
    call.heads = group;
    const PackedRows packed = packed_rows(call, SequenceRows{}, 0);
    const std::int32_t limit = std::numeric_limits<std::int32_t>::max() / group;
    for (std::int32_t i = 0; i < 3000; ++i) {
      ASSERT_EQ(packed.row(i), i / group);
      ASSERT_EQ(packed.row(limit - i), (limit - i) / group);
    }
  }
}

TEST(AttentionKernels, WhatTheyCannotTakeIsSaid) {
  AttentionCall call;
  call.heads = call.kv_heads = 1;
  call.head_dim = 100;
  EXPECT_THROW(launch_attention_tiled(call, nullptr), InputError);
  EXPECT_THROW(launch_attention_decode(call, nullptr), InputError);
  call.head_dim = 264;
  EXPECT_THROW(launch_attention_combine(call, nullptr), InputError);
  call.head_dim = 64;
  call.step.batch = 1;
  call.step.rows = call.step.most_rows = kMostDecodeRows + 1;
  EXPECT_THROW(launch_attention_decode(call, nullptr), std::invalid_argument);
  call.heads = 64;
  call.step.most_rows = 1 << 19;
  EXPECT_THROW(launch_attention_tiled(call, nullptr), InputError);
  call.step.most_rows = 1;
  call.dtype = DType::kF32;
  EXPECT_THROW(launch_attention_tiled(call, nullptr), InputError);
}

}  // namespace
}  // namespace rooftop::inference::cuda
