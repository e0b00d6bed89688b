// The vector-matrix product and the row-wise operators of every instruction set and type, against
// double precision. Sizes are odd on purpose: tails of every length occur.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/inference/cpu/reference.h"

namespace rooftop::inference::cpu {
namespace {

class Linear : public testing::TestWithParam<std::tuple<Isa, DType>> {
 protected:
  const Kernels& all = kernels_for(std::get<0>(GetParam()));
  DType dtype = std::get<1>(GetParam());
  const TypedKernels& kernels = all.of(dtype);
  std::mt19937_64 engine{7};

  Stored random(std::size_t count, double scale = 1) {
    return Stored(dtype, gaussian(engine, count, scale));
  }
  // Half a unit in the last place of the result, and what summing in fp32 may lose.
  [[nodiscard]] double tolerance(double value, double summands) const {
    return std::fabs(value) * epsilon_of(dtype) * 0.51 + summands * 1e-6 + 1e-30;
  }
};

TEST_P(Linear, GemvIsTheProduct) {
  for (const std::int64_t k : {1, 2, 7, 8, 15, 16, 31, 33, 64, 100, 131, 576}) {
    for (const std::int64_t n : {1, 2, 3, 4, 5, 9}) {
      const std::int64_t stride = k + 3;
      const Stored w = random(static_cast<std::size_t>(n * k));
      const Stored x = random(static_cast<std::size_t>(kGemvRows * stride));
      for (int rows = 1; rows <= kGemvRows; ++rows) {
        const std::int64_t y_stride = n + 2;
        Stored y(dtype, static_cast<std::size_t>(rows * y_stride));
        Stored wide(DType::kF32, static_cast<std::size_t>(rows * y_stride));
        kernels.gemv(w.data(), n, k, x.data(), stride, rows, y.data(), y_stride, false);
        kernels.gemv(w.data(), n, k, x.data(), stride, rows, wide.data(), y_stride, true);
        const auto got = y.read();
        const auto got_wide = wide.read();
        for (std::int64_t r = 0; r < rows; ++r) {
          for (std::int64_t i = 0; i < y_stride; ++i) {
            const auto at = static_cast<std::size_t>(r * y_stride + i);
            if (i >= n) {  // between the rows nothing is written
              ASSERT_EQ(got[at], 0);
              continue;
            }
            double sum = 0;
            double size = 0;
            for (std::int64_t j = 0; j < k; ++j) {
              const double product = w.values[static_cast<std::size_t>(i * k + j)] *
                                     x.values[static_cast<std::size_t>(r * stride + j)];
              sum += product;
              size += std::fabs(product);
            }
            ASSERT_NEAR(got_wide[at], sum, size * 1e-6) << n << "x" << k << " rows " << rows;
            ASSERT_NEAR(got[at], sum, tolerance(sum, size)) << n << "x" << k << " rows " << rows;
          }
        }
      }
    }
  }
}

TEST_P(Linear, GemvRowsDoNotDependOnTheirCompany) {
  const std::int64_t n = 11;
  const std::int64_t k = 203;
  const Stored w = random(static_cast<std::size_t>(n * k));
  const Stored x = random(static_cast<std::size_t>(kGemvRows * k));
  std::vector<float> alone(static_cast<std::size_t>(n));
  for (int rows = 1; rows <= kGemvRows; ++rows) {
    std::vector<float> together(static_cast<std::size_t>(n * rows));
    kernels.gemv(w.data(), n, k, x.data(), k, rows, together.data(), n, true);
    for (int r = 0; r < rows; ++r) {
      const auto* row = static_cast<const std::byte*>(x.data()) + r * k * bytes_of(dtype);
      kernels.gemv(w.data(), n, k, row, k, 1, alone.data(), n, true);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        ASSERT_EQ(together[static_cast<std::size_t>(r * n) + i], alone[i]);
      }
    }
  }
}

TEST_P(Linear, RmsNormRoundsAsHuggingFaceDoes) {
  for (const std::size_t h : {1U, 5U, 8U, 24U, 33U, 64U, 100U, 576U}) {
    const Stored x = random(h, 3);
    const Stored weight = random(h);
    Stored y(dtype, h);
    const double eps = 1e-5;
    kernels.rms_norm(x.data(), weight.data(), y.data(), static_cast<std::int64_t>(h), 1e-5F);
    double squares = 0;
    for (const double value : x.values) squares += value * value;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(h) + eps);
    const auto got = y.read();
    for (std::size_t i = 0; i < h; ++i) {
      // A value next to a rounding boundary may fall to either side: then one unit more.
      const double expected = rounded(x.values[i] * factor, dtype) * weight.values[i];
      const double least = dtype == DType::kF16 ? 0x1p-24 : 1e-30;  // its smallest step
      ASSERT_NEAR(got[i], expected,
                  std::fabs(expected) * (epsilon_of(dtype) * 1.6 + 3e-7) +
                      least * (1 + std::fabs(weight.values[i])));
    }
  }
}

TEST_P(Linear, RopeTurnsPairsOfHalves) {
  for (const std::size_t d : {2U, 8U, 10U, 48U, 64U, 80U, 128U}) {
    const Stored before = random(d);
    Stored x = before;
    std::vector<float> cosine;
    std::vector<float> sine;
    for (std::size_t i = 0; i < d / 2; ++i) {
      cosine.push_back(std::cos(0.3F * static_cast<float>(i + 1)));
      sine.push_back(std::sin(0.3F * static_cast<float>(i + 1)));
    }
    kernels.rope(x.data(), cosine.data(), sine.data(), static_cast<std::int64_t>(d));
    const auto got = x.read();
    for (std::size_t i = 0; i < d / 2; ++i) {
      const double a = before.values[i];
      const double b = before.values[i + d / 2];
      const double low = a * cosine[i] - b * sine[i];
      const double high = b * cosine[i] + a * sine[i];
      ASSERT_NEAR(got[i], low, tolerance(low, std::fabs(a) + std::fabs(b)));
      ASSERT_NEAR(got[i + d / 2], high, tolerance(high, std::fabs(a) + std::fabs(b)));
    }
  }
}

TEST_P(Linear, SwigluAndAdd) {
  for (const std::size_t n : {1U, 3U, 8U, 17U, 32U, 37U, 129U}) {
    Stored gate = random(n, 5);
    gate.values[0] = -40;  // far out, where exp(-g) is large
    gate = Stored(dtype, gate.values);
    const Stored up = random(n);
    Stored sum = gate;
    const auto before = gate.values;
    kernels.swiglu(gate.data(), up.data(), static_cast<std::int64_t>(n));
    kernels.add(sum.data(), up.data(), static_cast<std::int64_t>(n));
    const auto got = gate.read();
    const auto got_sum = sum.read();
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = before[i] / (1 + std::exp(-before[i])) * up.values[i];
      const double least = dtype == DType::kF16 ? 0x1p-25 : 1e-30;  // half of its smallest step
      ASSERT_NEAR(got[i], expected,
                  std::fabs(expected) * (epsilon_of(dtype) * 0.51 + 1e-6) + least);
      ASSERT_EQ(got_sum[i], rounded(static_cast<float>(before[i] + up.values[i]), dtype));
    }
  }
}

TEST_P(Linear, SoftmaxSharesWhatIsVisible) {
  for (const std::size_t length : {1U, 2U, 9U, 16U, 40U, 67U, 200U}) {
    for (const std::size_t visible : {std::size_t{1}, (length + 1) / 2, length}) {
      Stored row = random(length, 4);
      const auto before = row.values;
      kernels.softmax(row.data(), static_cast<std::int64_t>(visible),
                      static_cast<std::int64_t>(length));
      double top = -HUGE_VAL;
      double total = 0;
      for (std::size_t i = 0; i < visible; ++i) top = std::max(top, before[i]);
      for (std::size_t i = 0; i < visible; ++i) total += std::exp(before[i] - top);
      const auto got = row.read();
      for (std::size_t i = 0; i < length; ++i) {
        const double expected = i < visible ? std::exp(before[i] - top) / total : 0;
        const double least = dtype == DType::kF16 ? 0x1p-25 : 1e-30;
        ASSERT_NEAR(got[i], expected, expected * (epsilon_of(dtype) * 0.51 + 1e-5) + least);
      }
    }
  }
}

TEST_P(Linear, NotANumberStaysOne) {
  Stored x(dtype, std::vector<double>(20, 1.0));
  const std::uint32_t f32 = 0x7FC00000;
  const std::uint16_t half = dtype == DType::kBF16 ? 0x7FC0 : 0x7E00;
  std::memcpy(x.bytes.data(), dtype == DType::kF32 ? static_cast<const void*>(&f32) : &half,
              static_cast<std::size_t>(bytes_of(dtype)));
  const Stored one(dtype, std::vector<double>(20, 1.0));
  Stored y(dtype, 20);
  kernels.rms_norm(x.data(), one.data(), y.data(), 20, 1e-5F);
  EXPECT_TRUE(std::isnan(y.read()[19]));
  kernels.swiglu(x.data(), one.data(), 20);
  EXPECT_TRUE(std::isnan(x.read()[0]));
  EXPECT_FALSE(std::isnan(x.read()[1]));
}

std::string linear_name(const testing::TestParamInfo<std::tuple<Isa, DType>>& info) {
  return std::string(kernels_for(std::get<0>(info.param)).name) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(All, Linear,
                         testing::Combine(testing::ValuesIn(usable_isas()),
                                          testing::Values(DType::kF32, DType::kBF16, DType::kF16)),
                         linear_name);

}  // namespace
}  // namespace rooftop::inference::cpu
