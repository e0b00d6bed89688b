// CUDA's names mean on the host what they mean on the device.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tests/host_executor/host_executor.h"
#include "tests/host_executor/run.h"

namespace rooftop::gpu {
namespace {

TEST(Names, IndicesCoverGridAndBlock) {
  std::vector<int> seen(2 * 3 * 2 * 4 * 3 * 2);
  launch(
      {.name = "indices", .grid = dim3(2, 3, 2), .block = dim3(4, 3, 2)},
      +[](int* out) {
        const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
        const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
        ++out[block * blockDim.x * blockDim.y * blockDim.z + t];
      },
      seen.data());
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

TEST(Names, Shuffles) {
  int out[5][kWarp];
  run(
      kWarp, 0,
      +[](int(*to)[kWarp]) {
        const int t = thread();
        to[0][t] = __shfl_sync(kAllLanes, t, t + 3);
        to[1][t] = __shfl_up_sync(kAllLanes, t, 2);
        to[2][t] = __shfl_down_sync(kAllLanes, t, 2, 8);
        to[3][t] = __shfl_xor_sync(kAllLanes, t, 5);
        to[4][t] = static_cast<int>(__shfl_sync(kAllLanes, 0.5 * t, 1, 4) * 2);
      },
      &out[0]);
  for (int t = 0; t < kWarp; ++t) {
    EXPECT_EQ(out[0][t], (t + 3) % kWarp);
    EXPECT_EQ(out[1][t], t < 2 ? t : t - 2);
    EXPECT_EQ(out[2][t], t % 8 < 6 ? t + 2 : t);
    EXPECT_EQ(out[3][t], t ^ 5);
    EXPECT_EQ(out[4][t], t / 4 * 4 + 1);
  }
}

TEST(Names, VotesAndReductions) {
  int votes[4];
  run(
      kWarp, 0,
      +[](int* out) {
        const int t = thread();
        const unsigned odd = __ballot_sync(kAllLanes, t % 2);
        const bool any = __any_sync(kAllLanes, t == 31) && !__any_sync(kAllLanes, t > 31);
        const bool all = __all_sync(kAllLanes, t < 32) && !__all_sync(kAllLanes, t < 31);
        const int least = __reduce_min_sync(kAllLanes, t - 5);
        const unsigned most = __reduce_max_sync(kAllLanes, 0x80000000u + static_cast<unsigned>(t));
        const int sum = __reduce_add_sync(kAllLanes, -t);
        if (t == 17) {
          out[0] = odd == 0xAAAAAAAAu;
          out[1] = any && all;
          out[2] = least == -5 && sum == -496;
          out[3] = most == 0x8000001Fu;
        }
      },
      &votes[0]);
  for (const int vote : votes) EXPECT_EQ(vote, 1);
}

TEST(Names, HalvesOfAWarpMeetByThemselves) {
  float out[kWarp];
  run(
      kWarp, 0,
      +[](float* to) {
        const unsigned mask = thread() < 16 ? 0xFFFFu : 0xFFFF0000u;
        float sum = 1;
        for (int i = 0; i < (thread() < 16 ? 1 : 4); ++i) sum += __shfl_xor_sync(mask, sum, 1 << i);
        to[thread()] = sum;
      },
      &out[0]);
  EXPECT_EQ(out[3], 2);
  EXPECT_EQ(out[20], 16);
}

TEST(Names, BarriersCount) {
  int out[3];
  run(
      70, 0,
      +[](int* to) {
        const int count = __syncthreads_count(thread() % 7 == 0);
        const int any = __syncthreads_or(thread() == 69);
        const int all = __syncthreads_and(thread() != 69);
        if (thread() == 11) {
          to[0] = count;
          to[1] = any;
          to[2] = all;
        }
      },
      &out[0]);
  EXPECT_EQ(out[0], 10);
  EXPECT_EQ(out[1], 1);
  EXPECT_EQ(out[2], 0);
}

TEST(Names, Atomics) {
  float sum = 0;
  int most = -1;
  unsigned turns = 0;
  launch(
      {.name = "atomics", .grid = dim3(3), .block = dim3(50)},
      +[](float* to_sum, int* to_most, unsigned* to_turns) {
        atomicAdd(to_sum, 0.5f);
        atomicMax(to_most, thread());
        atomicInc(to_turns, 99);
      },
      &sum, &most, &turns);
  EXPECT_EQ(sum, 75);
  EXPECT_EQ(most, 49);
  EXPECT_EQ(turns, 50u);
}

TEST(Names, Arithmetic) {
  EXPECT_EQ(__float_as_uint(1.0f), 0x3F800000u);
  EXPECT_EQ(__uint_as_float(0x40000000u), 2.0f);
  EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x7520u), 0x77552200u);
  EXPECT_EQ(__umulhi(0xFFFFFFFFu, 0x80000000u), 0x7FFFFFFFu);
  EXPECT_EQ(__float2int_rn(2.5f), 2);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(min(3, 4u), 3u);
  EXPECT_EQ(max(1.5f, 2.0f), 2.0f);
  EXPECT_NEAR(__expf(1.0f), 2.7182818f, 1e-6f);
  EXPECT_EQ(rsqrtf(0.25f), 2.0f);
  EXPECT_EQ(__saturatef(NAN), 0.0f);
}

TEST(Names, SharedMemoryIsNanInEveryBlock) {
  int unset[3] = {};
  launch(
      {.name = "nan", .grid = dim3(3), .block = dim3(1), .shared_bytes = shared_bytes<bf16>(5)},
      +[](int* out) {
        ROOFTOP_SHARED(float, fixed, [3]);
        ROOFTOP_DYNAMIC_SHARED(memory);
        auto* const carved = memory.take<bf16>(5);
        out[blockIdx.x] = std::isnan(fixed[2]) && std::isnan(to_float(carved[4])) ? 1 : 0;
        fixed[2] = 0;
        carved[4] = from_float<bf16>(0);
      },
      &unset[0]);
  EXPECT_EQ(std::accumulate(unset, unset + 3, 0), 3);
}

// Swizzles and aligned loads see the addresses that the device has.
TEST(Names, CarvedArraysHaveTheDevicesAlignment) {
  std::uintptr_t offsets[2] = {};
  run(
      1, shared_bytes<char>(100) + shared_bytes<char>(1),
      +[](std::uintptr_t* out) {
        ROOFTOP_DYNAMIC_SHARED(memory);
        out[0] = reinterpret_cast<std::uintptr_t>(memory.take<char>(100)) % 1024;
        out[1] = reinterpret_cast<std::uintptr_t>(memory.take<char>(1)) % 1024;
      },
      &offsets[0]);
  EXPECT_EQ(offsets[0], 0u);
  EXPECT_EQ(offsets[1], 128u);
}

}  // namespace
}  // namespace rooftop::gpu
