// Products of any number of rows: hand-written kernels, oneDNN and widened panels agree with double
// precision.
#include "inference/cpu/matmul.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/inference/cpu/reference.h"

namespace rooftop::inference::cpu {
namespace {

struct Size {
  std::int64_t n, k, rows;
};

void expect_product(MatMul& matmul, DType dtype, Size size, bool wide, std::mt19937_64& engine) {
  const std::int64_t x_stride = size.k + 8;
  const std::int64_t y_stride = size.n + 4;
  const Stored w(dtype, gaussian(engine, static_cast<std::size_t>(size.n * size.k)));
  const Stored x(dtype, gaussian(engine, static_cast<std::size_t>(size.rows * x_stride)));
  Stored y(wide ? DType::kF32 : dtype, static_cast<std::size_t>(size.rows * y_stride));
  matmul.run({w.data(), size.n, size.k, x.data(), x_stride, size.rows, y.data(), y_stride, wide});
  const auto got = y.read();
  for (std::int64_t r = 0; r < size.rows; ++r) {
    for (std::int64_t i = 0; i < size.n; i += 1 + size.n / 37) {  // some of each row
      double sum = 0;
      double magnitude = 0;
      for (std::int64_t j = 0; j < size.k; ++j) {
        const double product = w.values[static_cast<std::size_t>(i * size.k + j)] *
                               x.values[static_cast<std::size_t>(r * x_stride + j)];
        sum += product;
        magnitude += std::fabs(product);
      }
      const double rounding = wide ? 0 : std::fabs(sum) * epsilon_of(dtype) * 0.51;
      ASSERT_NEAR(got[static_cast<std::size_t>(r * y_stride + i)], sum, rounding + magnitude * 1e-6)
          << size.n << "x" << size.k << ", " << size.rows << " rows, row " << r << ", column " << i;
    }
  }
}

class MatMulTest : public testing::TestWithParam<std::tuple<Isa, DType>> {};

TEST_P(MatMulTest, EveryPathIsTheProduct) {
  const auto [isa, dtype] = GetParam();
  std::mt19937_64 engine(3);
  MatMul matmul(kernels_for(isa), dtype, 1);
  for (const std::int64_t rows : {1, 7, 8, 9, 16, 25, 70}) {
    for (const bool wide : {false, true}) {
      expect_product(matmul, dtype, {50, 40, rows}, wide, engine);
      expect_product(matmul, dtype, {7, 9, rows}, wide, engine);
    }
  }
  // Larger than a widened panel both ways.
  expect_product(matmul, dtype, {530, 24, 261}, false, engine);
  expect_product(matmul, dtype, {530, 24, 261}, true, engine);
}

TEST_P(MatMulTest, ThreadsShareTheWork) {
  const auto [isa, dtype] = GetParam();
  std::mt19937_64 engine(3);
  MatMul matmul(kernels_for(isa), dtype, 3);
  for (const std::int64_t rows : {1, 20}) {
    expect_product(matmul, dtype, {70, 40, rows}, false, engine);
  }
}

std::string matmul_name(const testing::TestParamInfo<std::tuple<Isa, DType>>& info) {
  return std::string(kernels_for(std::get<0>(info.param)).name) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(All, MatMulTest,
                         testing::Combine(testing::ValuesIn(usable_isas()),
                                          testing::Values(DType::kF32, DType::kBF16, DType::kF16)),
                         matmul_name);

TEST(MatMul, ForgetsPreparedProductsBeforeTheyGrowWithoutBound) {
  // Ragged prompts: every step has another number of rows.
  std::mt19937_64 engine(4);
  MatMul matmul(kernels_for(best_isa()), DType::kF32, 1);
  for (std::int64_t rows = 10; rows < 145; ++rows) {
    const Stored w(DType::kF32, std::vector<double>(8, 1.0));
    const Stored x(DType::kF32, std::vector<double>(static_cast<std::size_t>(rows * 4), 0.5));
    Stored y(DType::kF32, static_cast<std::size_t>(rows * 2));
    matmul.run({w.data(), 2, 4, x.data(), 4, rows, y.data(), 2, false});
    ASSERT_EQ(y.read().back(), 2.0);
  }
}

}  // namespace
}  // namespace rooftop::inference::cpu
