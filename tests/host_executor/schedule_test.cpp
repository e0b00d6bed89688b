// Barriers order what a block does, whatever the schedule; where one is missing, schedules differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "profiler/roofs/cuda/gpu.h"
#include "tests/host_executor/host_executor.h"

namespace rooftop::gpu {
namespace {

using host_executor::Options;
using host_executor::Schedule;
using host_executor::set_options;

constexpr int kThreads = 96;

// out[block] = the sum of the block's stretch of `in`.
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const float* __restrict__ in, float* __restrict__ out) {
  ROOFTOP_SHARED(float, of_warp, [kThreads / kWarp]);
  const float sum = warp_sum(in[blockIdx.x * blockDim.x + threadIdx.x]);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = sum;
  __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = of_warp[0] + of_warp[1] + of_warp[2];
}

TEST(Schedule, CorrectKernelIsTheSameInEach) {
  constexpr int kBlocks = 7;
  std::vector<float> in(kBlocks * kThreads);
  std::vector<float> expected(kBlocks);
  for (int i = 0; i < kBlocks * kThreads; ++i) {
    in[i] = static_cast<float>(i % 13 - 6);
    expected[i / kThreads] += in[i];
  }
  for (const Schedule schedule : {Schedule::kAscending, Schedule::kDescending, Schedule::kRandom}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      set_options({.schedule = schedule, .seed = seed});
      std::vector<float> out(kBlocks);
      launch({.name = "sum", .grid = dim3(kBlocks), .block = dim3(kThreads)}, sum_kernel, in.data(),
             out.data());
      EXPECT_EQ(out, expected);
    }
  }
}

#if !defined(__SANITIZE_THREAD__)  // which would report the race
// The last thread's number, as thread 0 finds it: nothing makes it wait.
__global__ void unordered_kernel(int* out) {
  ROOFTOP_SHARED(int, last, [1]);
  if (threadIdx.x == kThreads - 1) last[0] = kThreads - 1;
  if (threadIdx.x == 0) *out = last[0];
}

int found_by_first(const Options& options) {
  set_options(options);
  int out = 0;
  launch({.name = "unordered", .grid = dim3(1), .block = dim3(kThreads)}, unordered_kernel, &out);
  return out;
}

TEST(Schedule, MissingBarrierMakesThemDiffer) {
  EXPECT_EQ(found_by_first({.schedule = Schedule::kAscending}), -1);
  EXPECT_EQ(found_by_first({.schedule = Schedule::kDescending}), kThreads - 1);
  std::set<int> found;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const int once = found_by_first({.schedule = Schedule::kRandom, .seed = seed});
    EXPECT_EQ(found_by_first({.schedule = Schedule::kRandom, .seed = seed}), once);
    found.insert(once);
  }
  EXPECT_EQ(found.size(), 2u);
}
#endif

// Blocks of one thread each write down when they run.
std::vector<unsigned> order_of_blocks(const Options& options) {
  set_options(options);
  std::vector<unsigned> order(1 + 12);
  launch(
      {.name = "order", .grid = dim3(3, 2, 2), .block = dim3(1)},
      +[](unsigned* out) { out[1 + out[0]++] = blockIdx.x + 3 * (blockIdx.y + 2 * blockIdx.z); },
      order.data());
  EXPECT_EQ(order[0], 12u);
  order.erase(order.begin());
  return order;
}

TEST(Schedule, OrderOfBlocks) {
  std::vector<unsigned> ascending(12);
  std::iota(ascending.begin(), ascending.end(), 0u);
  EXPECT_EQ(order_of_blocks({.schedule = Schedule::kAscending}), ascending);
  EXPECT_EQ(order_of_blocks({.schedule = Schedule::kDescending}),
            std::vector<unsigned>(ascending.rbegin(), ascending.rend()));
  std::set<std::vector<unsigned>> orders;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<unsigned> order = order_of_blocks({.schedule = Schedule::kRandom, .seed = seed});
    orders.insert(order);
    std::ranges::sort(order);
    EXPECT_EQ(order, ascending);
  }
  EXPECT_GT(orders.size(), 5u);
}

}  // namespace
}  // namespace rooftop::gpu
