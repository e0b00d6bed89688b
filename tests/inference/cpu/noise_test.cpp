#include "inference/cpu/noise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/inference/cpu/reference.h"

namespace rooftop::inference::cpu {
namespace {

TEST(Noise, HasTheMomentsOfAGaussianAndRepeats) {
  constexpr std::size_t kCount = 100'001;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    Stored first(dtype, kCount);
    Stored second(dtype, kCount);
    Stored other(dtype, kCount);
    const auto& kernels = kernels_for(best_isa()).of(dtype);
    fill_noise(1, kernels, dtype, first.data(), kCount);
    fill_noise(1, kernels, dtype, second.data(), kCount);
    fill_noise(2, kernels, dtype, other.data(), kCount);
    EXPECT_EQ(first.bytes, second.bytes);
    EXPECT_NE(first.bytes, other.bytes);
    double moments[5] = {};
    for (const double value : first.read()) {
      for (int i = 1; i < 5; ++i) moments[i] += std::pow(value, i) / kCount;
    }
    EXPECT_NEAR(moments[1], 0, 0.02);
    EXPECT_NEAR(moments[2], 1, 0.02);
    EXPECT_NEAR(moments[3], 0, 0.05);
    EXPECT_NEAR(moments[4], 3, 0.1);
  }
}

}  // namespace
}  // namespace rooftop::inference::cpu
