// Barriers order what a block does, whatever the schedule; where one is missing, schedules differ.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "inference/cuda/gpu.h"
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

}  // namespace
}  // namespace rooftop::gpu
