// The kernels do exactly what is counted: every byte, every multiply-add.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "profiler/core/error.h"
#include "profiler/roofs/best_rate.h"
#include "profiler/roofs/cpu_bandwidth.h"
#include "profiler/roofs/cpu_fma.h"
#include "profiler/roofs/cpu_gemm.h"
#include "profiler/roofs/cpu_isa.h"
#include "profiler/roofs/cpu_memory.h"

namespace rooftop {
namespace {

// Every instruction set that this machine has.
std::vector<VectorIsa> usable_isas() {
  std::vector<VectorIsa> isas;
  for (int i = 0; i <= static_cast<int>(best_vector_isa()); ++i) {
    isas.push_back(static_cast<VectorIsa>(i));
  }
  return isas;
}

class CpuKernels : public ::testing::TestWithParam<VectorIsa> {};
INSTANTIATE_TEST_SUITE_P(All, CpuKernels, ::testing::ValuesIn(usable_isas()));

// The buffer's middle part is worked on; what lies around it must stay.
struct Fixture {
  static constexpr std::uint64_t kBytes = 6 * kBandwidthUnit;
  static constexpr std::uint64_t kBegin = kBandwidthUnit;
  static constexpr std::uint64_t kSize = 3 * kBandwidthUnit;
  Buffer memory{kBytes};
  std::vector<std::byte> before;
  explicit Fixture(std::uint32_t seed) {
    std::mt19937 random(seed);
    for (std::uint64_t i = 0; i < kBytes; ++i) memory.data()[i] = std::byte(random() & 0xFF);
    before.assign(memory.data(), memory.data() + kBytes);
  }
  [[nodiscard]] std::byte* begin() const { return memory.data() + kBegin; }
  [[nodiscard]] bool outside_is_untouched() const {
    return std::memcmp(memory.data(), before.data(), kBegin) == 0 &&
           std::memcmp(begin() + kSize, before.data() + kBegin + kSize, kBytes - kBegin - kSize) ==
               0;
  }
};

TEST_P(CpuKernels, ReadEveryByte) {
  const Fixture fixture(1);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < Fixture::kSize; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, fixture.begin() + i, 8);
    sum += word;
  }
  EXPECT_EQ(read_memory(GetParam(), fixture.begin(), Fixture::kSize), sum);
  EXPECT_EQ(read_memory(GetParam(), fixture.begin(), 0), 0U);
}

TEST_P(CpuKernels, WriteEveryByteAndNoOther) {
  for (const Stores stores : {Stores::kRegular, Stores::kNonTemporal}) {
    const Fixture fixture(2);
    const std::uint64_t word = 0x0123456789ABCDEF;
    write_memory(GetParam(), stores, fixture.begin(), Fixture::kSize, word);
    for (std::uint64_t i = 0; i < Fixture::kSize; i += 8) {
      ASSERT_EQ(std::memcmp(fixture.begin() + i, &word, 8), 0) << i;
    }
    EXPECT_TRUE(fixture.outside_is_untouched());
  }
}

TEST_P(CpuKernels, CopyEveryByteAndNoOther) {
  for (const Stores stores : {Stores::kRegular, Stores::kNonTemporal}) {
    const Fixture from(3);
    const Fixture to(4);
    copy_memory(GetParam(), stores, from.begin(), to.begin(), Fixture::kSize);
    EXPECT_EQ(std::memcmp(to.begin(), from.begin(), Fixture::kSize), 0);
    EXPECT_TRUE(to.outside_is_untouched());
  }
}

constexpr float kZeros[kFmaChains] = {};

std::vector<FmaLoop> loops_of(VectorIsa isa) {
  std::vector<FmaLoop> loops = {f32_loop(isa)};
  if (const auto bf16 = bf16_loop(isa)) loops.push_back(*bf16);
  return loops;
}

// From 0 with scale = shift = 1 the sum of all lanes is the number of multiply-adds that were done.
TEST_P(CpuKernels, CountEveryFlop) {
  for (const FmaLoop& loop : loops_of(GetParam())) {
    for (const std::int64_t turns : {0, 1, 2, 1000}) {
      EXPECT_EQ(2 * loop.run(turns, 1, 1, kZeros), loop.flops_per_turn * static_cast<double>(turns))
          << loop.name;
    }
  }
}

// Every chain is there by itself: none may be left out as equal to another.
TEST_P(CpuKernels, ChainsAreIndependent) {
  for (const FmaLoop& loop : loops_of(GetParam())) {
    const double one = loop.run(1, 1, 0, kZeros);
    double lanes = 0;
    for (int chain = 0; chain < kFmaChains; ++chain) {
      float starts[kFmaChains] = {};
      starts[chain] = 1;
      const double more = loop.run(1, 1, 0, starts) - one;
      EXPECT_GT(more, 0) << loop.name << ", chain " << chain;
      lanes += more;
    }
    const double flops_per_lane = loop.name.find("dot") == std::string_view::npos ? 2 : 4;
    EXPECT_EQ(lanes * flops_per_lane, loop.flops_per_turn) << loop.name;
  }
}

TEST_P(CpuKernels, LoopsStayFinite) {
  const double sum = f32_loop(GetParam()).run(100'000, 0.5F, 1.0F, kZeros);
  EXPECT_GT(sum, 0);
  EXPECT_LT(sum, 1e4);
}

TEST(CpuIsa, Bf16LoopsNeedBf16Instructions) {
  EXPECT_FALSE(bf16_loop(VectorIsa::kPortable).has_value());
  EXPECT_FALSE(bf16_loop(VectorIsa::kAvx2Fma).has_value());
  EXPECT_FALSE(bf16_loop(VectorIsa::kAvx512).has_value());
}

TEST(SquareGemm, CountsItsFlops) {
  EXPECT_EQ(gemm_flops(2, 3, 5), 60);  // 6 elements, each 5 multiplies and 5 adds
  EXPECT_EQ(SquareGemm(GemmType::kF32, 16).flops(), 2.0 * 16 * 16 * 16);
}

TEST(SquareGemm, MultipliesInF32) {
  SquareGemm gemm(GemmType::kF32, 192);
  gemm.run();
  EXPECT_LT(gemm.error(), 1e-6);
  EXPECT_NE(gemm.implementation(), "");
}

TEST(SquareGemm, MultipliesInBf16WhereItCan) {
  if (best_vector_isa() < VectorIsa::kAvx512Bf16) GTEST_SKIP() << "no bf16 instructions here";
  SquareGemm gemm(GemmType::kBf16, 192);
  gemm.run();
  EXPECT_LT(gemm.error(), 1.0 / 256) << "one rounding to bf16";
}

TEST(SquareGemm, ErrorSeesAProductThatWasNotComputed) {
  const SquareGemm gemm(GemmType::kF32, 64);
  EXPECT_GT(gemm.error(), 1e-3);
}

TEST(BestRate, RunsAtLeastFourPasses) {
  int passes = 0;
  const double rate = best_rate(1000, 0, [&] { ++passes; });
  EXPECT_EQ(passes, 4);
  EXPECT_GT(rate, 0);
}

// A fast pass among slow ones is the best, and does not change the median.
TEST(BestRate, BestAndMedianAreWhatTheySay) {
  const auto sleeping = [](std::vector<int> milliseconds) {
    return [pass = std::size_t{0}, milliseconds]() mutable {
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds.at(pass++)));
    };
  };
  // The first pass is not measured; three are.
  const double best = best_rate(1, 0, sleeping({0, 1, 100, 100}));
  EXPECT_GT(best, 1 / 0.1);
  EXPECT_LE(best, 1 / 0.001);
  const double median = median_rate(1, 0, sleeping({0, 1, 100, 100}));
  EXPECT_LE(median, 1 / 0.1);
  EXPECT_GT(median, 0);
}

}  // namespace
}  // namespace rooftop
