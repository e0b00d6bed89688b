// What only a build with sanitizers finds: accesses beyond an array, and races between threads.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "tests/host_executor/host_executor.h"
#include "tests/host_executor/run.h"

namespace rooftop::gpu {
namespace {

using host_executor::Schedule;
using host_executor::set_options;

#if defined(__SANITIZE_ADDRESS__)
#define EXPECT_BEYOND_ARRAY(statement) EXPECT_DEATH(statement, "AddressSanitizer|out of bounds")
#else
#define EXPECT_BEYOND_ARRAY(statement) \
  GTEST_SKIP() << "only AddressSanitizer finds accesses beyond an array"
#endif

// TSan makes the program exit with 66. It forgets accesses at random: a race may need a second run.
#if defined(__SANITIZE_THREAD__)
#define EXPECT_RACE(statement)                                             \
  for (const Schedule schedule :                                           \
       {Schedule::kAscending, Schedule::kDescending, Schedule::kRandom}) { \
    EXPECT_EXIT(                                                           \
        {                                                                  \
          set_options({.schedule = schedule, .seed = 1});                  \
          for (int turn = 0; turn < 4; ++turn) statement;                  \
          std::exit(0);                                                    \
        },                                                                 \
        testing::ExitedWithCode(66), "ThreadSanitizer: data race");        \
  }
#else
#define EXPECT_RACE(statement) GTEST_SKIP() << "only ThreadSanitizer finds races"
#endif

[[maybe_unused]] constexpr std::size_t kShared = 2 * shared_bytes<float>(30);
[[maybe_unused]] volatile float result;

TEST(Sanitizers, ReadBeyondADynamicArray) {
  EXPECT_BEYOND_ARRAY(run(
      1, kShared, +[] {
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const first = memory.take<float>(30);
        memory.take<float>(30);
        result = first[30 + thread()];  // within what the device pads
      }));
}

TEST(Sanitizers, WriteBeforeADynamicArray) {
  EXPECT_BEYOND_ARRAY(run(
      1, kShared, +[] {
        ROOFTOP_DYNAMIC_SHARED(memory);
        memory.take<float>(30);
        memory.take<float>(30)[thread() - 1] = 1;
      }));
}

TEST(Sanitizers, ReadBeyondAStaticArray) {
  EXPECT_BEYOND_ARRAY(run(
      1, 0, +[] {
        ROOFTOP_SHARED(float, sums, [8]);
        result = sums[8 + thread()];
      }));
}

TEST(Sanitizers, ReadBeyondGlobalMemory) {
  std::vector<float> in(8);
  EXPECT_BEYOND_ARRAY(run(
      1, 0, +[](const float* from) { result = from[8 + thread()]; }, in.data()));
}

TEST(Sanitizers, MissingBlockBarrier) {
  EXPECT_RACE(run(
      64, 0, +[] {
        ROOFTOP_SHARED(float, values, [64]);
        values[thread()] = 1;
        if (thread() == 0) result = values[63];
      }));
}

TEST(Sanitizers, MissingBarrierBeforeReuse) {
  EXPECT_RACE(run(
      64, 0, +[] {
        ROOFTOP_SHARED(float, value, [1]);
        for (int i = 0; i < 2; ++i) {
          if (thread() == 0) value[0] = 1;
          __syncthreads();
          if (thread() == 63) result = value[0];
        }
      }));
}

TEST(Sanitizers, MissingWarpBarrier) {
  EXPECT_RACE(run(
      32, 0, +[] {
        ROOFTOP_SHARED(float, values, [32]);
        values[thread()] = 1;
        if (thread() == 0) result = values[31];
      }));
}

// A shuffle makes lanes meet, and orders no memory.
TEST(Sanitizers, ShuffleIsNoBarrier) {
  EXPECT_RACE(run(
      32, 0, +[] {
        ROOFTOP_SHARED(float, values, [32]);
        values[thread()] = 1;
        __shfl_sync(kAllLanes, 1, 0);
        if (thread() == 0) result = values[31];
      }));
}

TEST(Sanitizers, CopyWithoutABarrierBehindIt) {
  EXPECT_RACE(run(
      64, kShared, +[] {
        alignas(16) static float from[4] = {1, 2, 3, 4};
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const to = memory.take<float>(30);
        if (thread() == 0) {
          copy_async16(to, from, true);
          copy_async_commit();
          copy_async_wait<0>();
        }
        if (thread() == 63) result = to[1];
      }));
}

TEST(Sanitizers, BarriersOrderMemory) {
  for (const Schedule schedule : {Schedule::kAscending, Schedule::kDescending, Schedule::kRandom}) {
    set_options({.schedule = schedule, .seed = 3});
    float out = 0;
    run(
        64, 0,
        +[](float* to) {
          ROOFTOP_SHARED(float, values, [64]);
          for (int i = 0; i < 4; ++i) {
            values[thread()] = static_cast<float>(thread() + i);
            __syncwarp();
            const float of_warp = values[thread() ^ 31];
            __syncthreads();
            if (thread() == 0) *to = of_warp + values[63];
            __syncthreads();
          }
        },
        &out);
    EXPECT_EQ(out, 34 + 66);
  }
}

}  // namespace
}  // namespace rooftop::gpu
