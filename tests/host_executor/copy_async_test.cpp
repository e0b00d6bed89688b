// cp.async: a copy is there when it was waited for, and not before.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/host_executor/run.h"

namespace rooftop::gpu {
namespace {

constexpr std::size_t kShared = shared_bytes<float>(16);

struct alignas(16) Numbers {
  float at[16];
};

Numbers numbers() {
  Numbers n;
  for (int i = 0; i < 16; ++i) n.at[i] = static_cast<float>(i + 1);
  return n;
}

TEST(CopyAsync, IsThereAfterTheWaitAndPoisonBefore) {
  Numbers in = numbers();
  float before = 0;
  float after = 0;
  run(
      1, kShared,
      +[](Numbers* from, float* out_before, float* out_after) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        to[2] = 7;
        copy_async16(to, from->at, true);
        copy_async_commit();
        *out_before = to[2];
        copy_async_wait<0>();
        *out_after = to[2];
      },
      &in, &before, &after);
  EXPECT_TRUE(std::isnan(before));
  EXPECT_EQ(after, 3);
}

TEST(CopyAsync, WaitLeavesTheNewestGroups) {
  Numbers in = numbers();
  float out[3];
  run(
      1, kShared,
      +[](Numbers* from, float* result) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        for (int group = 0; group < 3; ++group) {
          copy_async16(to + 4 * group, from->at + 4 * group, true);
          copy_async_commit();
        }
        copy_async_wait<1>();
        for (int group = 0; group < 3; ++group) result[group] = to[4 * group];
      },
      &in, &out[0]);
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[1], 5);
  EXPECT_TRUE(std::isnan(out[2]));
}

TEST(CopyAsync, EmptyGroupsCount) {
  Numbers in = numbers();
  float out = 0;
  run(
      1, kShared,
      +[](Numbers* from, float* result) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        copy_async16(to, from->at, true);
        copy_async_commit();
        copy_async_commit();
        copy_async_wait<1>();
        *result = to[0];
      },
      &in, &out);
  EXPECT_EQ(out, 1);
}

TEST(CopyAsync, UncommittedIsNotWaitedFor) {
  Numbers in = numbers();
  float out = 0;
  run(
      1, kShared,
      +[](Numbers* from, float* result) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        copy_async16(to, from->at, true);
        copy_async_wait<0>();
        *result = to[0];
      },
      &in, &out);
  EXPECT_TRUE(std::isnan(out));
}

TEST(CopyAsync, InvalidIsZerosAndReadsNothing) {
  float out[4] = {9, 9, 9, 9};
  run(
      1, kShared,
      +[](float* result) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        copy_async16(to, nullptr, false);
        copy_async_commit();
        copy_async_wait<0>();
        for (int i = 0; i < 4; ++i) result[i] = to[i];
      },
      &out[0]);
  EXPECT_TRUE(std::ranges::all_of(out, [](float x) { return x == 0; }));
}

// A thread waits for its own copies alone.
TEST(CopyAsync, GroupsAreOfAThread) {
  Numbers in = numbers();
  float out = 0;
  run(
      kWarp, kShared,
      +[](Numbers* from, float* result) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(16);
        if (thread() == 0) {
          copy_async16(to, from->at, true);
          copy_async_commit();
        }
        if (thread() == 1) copy_async_wait<0>();
        __syncwarp();
        if (thread() == 1) *result = to[0];
      },
      &in, &out);
  EXPECT_TRUE(std::isnan(out));
}

}  // namespace
}  // namespace rooftop::gpu
