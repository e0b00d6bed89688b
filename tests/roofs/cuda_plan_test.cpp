#include "profiler/roofs/cuda/plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace rooftop::cuda {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = 1 << 30;

std::map<std::string, BandwidthTest> by_kind(std::uint64_t l2, std::uint64_t free) {
  std::map<std::string, BandwidthTest> tests;
  for (const BandwidthTest& test : plan_bandwidth_tests(l2, free)) tests[test.kind] = test;
  return tests;
}

TEST(CudaPlan, H200LikeDevice) {
  const auto tests = by_kind(50 * kMiB, 139 * kGiB);
  ASSERT_EQ(tests.size(), 5U);
  EXPECT_EQ(tests.at("dram_read").bytes(), static_cast<double>(kGiB));
  EXPECT_EQ(tests.at("dram_write").bytes(), static_cast<double>(kGiB));
  EXPECT_EQ(tests.at("dram_copy").bytes(), 2.0 * kGiB) << "a copy reads and writes";
  EXPECT_EQ(tests.at("l2_read").bytes(), static_cast<double>(tests.at("l2_read").accesses() * 16));
  EXPECT_EQ(tests.at("l2_read").access, Access::kRead);
  EXPECT_EQ(tests.at("l2_write").access, Access::kWrite);
  EXPECT_LT(tests.at("l2_read").elements * kElementBytes, 50 * kMiB / 4);
}

TEST(CudaPlan, BuffersGrowWithTheL2) {
  EXPECT_EQ(by_kind(256 * kMiB, 100 * kGiB).at("dram_read").bytes(), 2.0 * kGiB);
}

// Whatever the device: buffers fit the free memory with room, DRAM tests exceed the L2, L2 tests do
// not, and every launch moves about as much.
TEST(CudaPlan, HoldsItsBoundsForAllDevices) {
  for (std::uint64_t l2 = 0; l2 <= 512 * kMiB; l2 += 3 * kMiB / 2) {
    for (std::uint64_t free = 0; free <= 64 * kGiB; free = free * 3 + 12'345'678) {
      const auto tests = by_kind(l2, free);
      if (tests.empty()) {
        EXPECT_LT(free / 4, 2 * l2 + kElementBytes) << "refused although there is room";
        continue;
      }
      const std::uint64_t dram = tests.at("dram_copy").elements * kElementBytes;
      EXPECT_LE(2 * dram, free / 2);
      EXPECT_GE(dram + kElementBytes, 2 * l2);
      EXPECT_EQ(tests.contains("l2_read"), l2 / 8 >= kElementBytes);
      for (const auto& [kind, test] : tests) {
        EXPECT_GT(test.elements, 0U) << kind;
        EXPECT_GE(test.turns, 1U) << kind;
        if (kind[0] == 'l') {
          EXPECT_LE(test.elements * kElementBytes, l2 / 8);
        }
      }
    }
  }
}

// What the kernels do: all threads together touch every element once a turn, and no thread has more
// than one access more than another.
TEST(CudaPlan, ThreadsTouchEveryElementOnceATurn) {
  for (const std::uint64_t elements : {1ULL, 7ULL, 4096ULL, 5000ULL, 10'007ULL}) {
    for (const std::uint64_t threads : {1ULL, 256ULL, 5000ULL, 12'345ULL}) {
      const std::uint64_t turns = 5;
      std::vector<std::uint64_t> touched(elements);
      for (std::uint64_t thread = 0; thread < threads; ++thread) {
        std::uint64_t at = thread % elements;
        for (std::uint64_t i = thread; i < elements * turns; i += threads) {
          ASSERT_EQ(at, i % elements);
          ++touched.at(at);
          at = next_element(at, threads % elements, elements);
        }
      }
      for (const std::uint64_t count : touched) ASSERT_EQ(count, turns);
    }
  }
}

}  // namespace
}  // namespace rooftop::cuda
