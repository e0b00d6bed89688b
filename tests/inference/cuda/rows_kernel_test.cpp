// Row kernels on the host executor, against plain loops in double over the same rounded inputs.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "inference/cuda/kernels.h"
#include "tests/inference/cuda/rows_fixture.h"

namespace rooftop::inference::cuda {
namespace {

using rows_test::DeviceArray;
using rows_test::dtype_of;
using rows_test::gaussian;
using rows_test::half_ulp;
using rows_test::size_of;
using rows_test::uniform;

constexpr float kEps = 0.25F;  // large enough to be missed

// Lengths of rows: multiples of 8, of 4, and others; less and more than a block's threads take.
const int kLengths[] = {1, 7, 8, 12, 48, 64, 250, 288, 576, 1028, 2056, 4104};

template <typename T>
class RowKernels : public ::testing::Test {
 protected:
  // One rounding of the expected value, and a few of fp32 before it.
  static void expect_near(double actual, double expected, const std::string& where) {
    ASSERT_NEAR(actual, expected, (1.01 * half_ulp<T>() + 1e-6) * std::abs(expected) + 1e-7)
        << where;
  }
};
using Types = ::testing::Types<__nv_bfloat16, __half>;
TYPED_TEST_SUITE(RowKernels, Types);

TYPED_TEST(RowKernels, EmbedTakesTheTokensRows) {
  using T = TypeParam;
  std::mt19937 random(1);
  constexpr int kVocab = 11;
  for (const int hidden : kLengths) {
    const auto table = gaussian<T>(size_of(kVocab, hidden), random);
    DeviceArray<std::int32_t> tokens(5);
    const int chosen[] = {10, 0, 3, 3, -1};  // no token: as if it were the first
    std::copy_n(chosen, 5, tokens.data());
    DeviceArray<T> x(size_of(5, hidden));
    launch_embed(dtype_of<T>(), table.data(), tokens.data(), 5, hidden, x.data(), nullptr);
    EXPECT_TRUE(x.intact());
    for (int row = 0; row < 5; ++row) {
      for (int i = 0; i < hidden; ++i) {
        const int token = std::max(chosen[row], 0);
        ASSERT_EQ(x.at(size_of(row, hidden) + i), table.at(size_of(token, hidden) + i))
            << "hidden " << hidden << ", row " << row << ", " << i;
      }
    }
  }
}

template <typename T>
std::vector<double> normalised(const DeviceArray<T>& x, const DeviceArray<T>& weight, int row,
                               int hidden) {
  double squares = 0;
  for (int i = 0; i < hidden; ++i) squares += std::pow(x.at(size_of(row, hidden) + i), 2);
  const double scale = 1 / std::sqrt(squares / hidden + kEps);
  std::vector<double> values;
  values.reserve(size_of(hidden));
  for (int i = 0; i < hidden; ++i) {
    values.push_back(x.at(size_of(row, hidden) + i) * scale * weight.at(size_of(i)));
  }
  return values;
}

TYPED_TEST(RowKernels, RmsNorm) {
  using T = TypeParam;
  std::mt19937 random(2);
  for (const int hidden : kLengths) {
    const int rows = uniform(random, 1, 4);
    const auto weight = gaussian<T>(size_of(hidden), random);
    auto x = gaussian<T>(size_of(rows, hidden), random, 3);
    std::vector<std::vector<double>> expected;
    expected.reserve(size_of(rows));
    for (int row = 0; row < rows; ++row) expected.push_back(normalised(x, weight, row, hidden));
    DeviceArray<T> y(x.size());
    launch_rms_norm(dtype_of<T>(), x.data(), weight.data(), kEps, nullptr, rows, hidden, y.data(),
                    nullptr);
    launch_rms_norm(dtype_of<T>(), x.data(), weight.data(), kEps, nullptr, rows, hidden, x.data(),
                    nullptr);
    EXPECT_TRUE(y.intact());
    EXPECT_TRUE(x.intact());
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < hidden; ++i) {
        const std::size_t at = size_of(row, hidden) + size_of(i);
        const std::string where = "hidden " + std::to_string(hidden) + ", " + std::to_string(at);
        this->expect_near(y.at(at), expected[row][i], where);
        ASSERT_EQ(x.at(at), y.at(at)) << "in place, " << where;
      }
    }
  }
}

TYPED_TEST(RowKernels, RmsNormGathersRows) {
  using T = TypeParam;
  std::mt19937 random(3);
  constexpr int kHidden = 72;
  const auto weight = gaussian<T>(kHidden, random);
  const auto x = gaussian<T>(size_of(6, kHidden), random);
  DeviceArray<std::int32_t> index(4);
  const int chosen[] = {5, 0, 2, 2};
  std::copy_n(chosen, 4, index.data());
  DeviceArray<T> y(size_of(4, kHidden));
  launch_rms_norm(dtype_of<T>(), x.data(), weight.data(), kEps, index.data(), 4, kHidden, y.data(),
                  nullptr);
  EXPECT_TRUE(y.intact());
  for (int row = 0; row < 4; ++row) {
    const auto expected = normalised(x, weight, chosen[row], kHidden);
    for (int i = 0; i < kHidden; ++i) {
      this->expect_near(y.at(size_of(row, kHidden) + i), expected[i], "row " + std::to_string(row));
    }
  }
}

// eps decides where a row is nearly zero.
TYPED_TEST(RowKernels, RmsNormOfZerosIsZero) {
  using T = TypeParam;
  std::mt19937 random(4);
  const auto weight = gaussian<T>(16, random);
  DeviceArray<T> x(16);
  for (std::size_t i = 0; i < 16; ++i) x[i] = rows_test::rounded<T>(0);
  DeviceArray<T> y(16);
  launch_rms_norm(dtype_of<T>(), x.data(), weight.data(), kEps, nullptr, 1, 16, y.data(), nullptr);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(y.at(i), 0);
}

TYPED_TEST(RowKernels, SwiGlu) {
  using T = TypeParam;
  std::mt19937 random(5);
  for (const int ffn : kLengths) {
    const int rows = uniform(random, 1, 4);
    const auto gate_up = gaussian<T>(size_of(rows, 2 * ffn), random, 4);
    DeviceArray<T> g(size_of(rows, ffn));
    launch_swiglu(dtype_of<T>(), gate_up.data(), rows, ffn, g.data(), nullptr);
    EXPECT_TRUE(g.intact());
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < ffn; ++i) {
        const double gate = gate_up.at(size_of(row, 2 * ffn) + i);
        const double up = gate_up.at(size_of(row, 2 * ffn) + ffn + i);
        this->expect_near(g.at(size_of(row, ffn) + i), gate / (1 + std::exp(-gate)) * up,
                          "ffn " + std::to_string(ffn));
      }
    }
  }
}

// A gate far below zero shuts, without a NaN from exp's overflow.
TYPED_TEST(RowKernels, SwiGluOfLargeGates) {
  using T = TypeParam;
  DeviceArray<T> gate_up(4);
  const double values[] = {-200, 200, 3, 3};
  for (std::size_t i = 0; i < 4; ++i) gate_up[i] = rows_test::rounded<T>(values[i]);
  DeviceArray<T> g(2);
  launch_swiglu(dtype_of<T>(), gate_up.data(), 1, 2, g.data(), nullptr);
  EXPECT_EQ(g.at(0), 0);
  EXPECT_EQ(g.at(1), 600);
}

TYPED_TEST(RowKernels, AnyOrderOfThreads) {
  const rows_test::KeepOptions keep;
  using T = TypeParam;
  std::mt19937 random(6);
  const auto weight = gaussian<T>(300, random);
  const auto x = gaussian<T>(600, random);
  DeviceArray<T> first(600);
  for (const host_executor::Options& options : rows_test::schedules()) {
    host_executor::set_options(options);
    DeviceArray<T> y(600);
    launch_rms_norm(dtype_of<T>(), x.data(), weight.data(), kEps, nullptr, 2, 300, y.data(),
                    nullptr);
    if (&options == &rows_test::schedules().front()) std::copy_n(y.data(), 600, first.data());
    for (std::size_t i = 0; i < 600; ++i) ASSERT_EQ(y.at(i), first.at(i));
  }
}

class Argmax : public ::testing::Test {
 protected:
  static std::vector<int> argmax(const DeviceArray<float>& logits, int rows, int vocab) {
    DeviceArray<std::int32_t> out(size_of(rows));
    launch_argmax(logits.data(), rows, vocab, out.data(), nullptr);
    EXPECT_TRUE(out.intact());
    return {out.data(), out.data() + rows};
  }
};

// Values from few enough levels that the largest is there several times.
TEST_F(Argmax, TakesTheFirstOfEquals) {
  const rows_test::KeepOptions keep;
  std::mt19937 random(7);
  for (const int vocab : {1, 2, 3, 31, 32, 33, 1000, 1023, 1024, 1025, 5000, 9002}) {
    for (const host_executor::Options& options : rows_test::schedules()) {
      host_executor::set_options(options);
      DeviceArray<float> logits(size_of(3, vocab));
      for (std::size_t i = 0; i < logits.size(); ++i) {
        logits[i] = static_cast<float>(uniform(random, -12, -2));
      }
      std::vector<int> expected;
      for (int row = 0; row < 3; ++row) {
        const float* const of_row = logits.data() + size_of(row, vocab);
        int best = 0;
        for (int i = 1; i < vocab; ++i) {
          if (of_row[i] > of_row[best]) best = i;
        }
        expected.push_back(best);
      }
      ASSERT_EQ(argmax(logits, 3, vocab), expected) << "vocab " << vocab;
    }
  }
}

TEST_F(Argmax, FindsASingleLargestAnywhere) {
  for (const int vocab : {70, 1100}) {
    DeviceArray<float> logits(size_of(vocab));
    for (int i = 0; i < vocab; i += 7) {
      std::fill_n(logits.data(), vocab, -1.0F);
      logits[size_of(i)] = -0.5F;
      ASSERT_EQ(argmax(logits, 1, vocab), std::vector<int>{i});
    }
  }
}

TEST_F(Argmax, RefusesWhatIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int vocab : {1, 5, 1400}) {
    for (const float bad : {infinity, -infinity, nan}) {
      for (const int at : {0, vocab / 2, vocab - 1}) {
        DeviceArray<float> logits(size_of(3, vocab));
        std::fill_n(logits.data(), 3 * vocab, 1.0F);
        logits[size_of(1, vocab) + size_of(at)] = bad;
        ASSERT_EQ(argmax(logits, 3, vocab), (std::vector<int>{0, -1, 0}));
      }
    }
  }
}

// The extremes of what is finite, and zeros of both signs, which are equal.
TEST_F(Argmax, ComparesValuesNotBits) {
  const float most = std::numeric_limits<float>::max();
  DeviceArray<float> logits(6);
  const float values[] = {-most, -most, -most, -0.0F, 0.0F, -1.0F};
  std::copy_n(values, 6, logits.data());
  EXPECT_EQ(argmax(logits, 2, 3), (std::vector<int>{0, 0}));
}

}  // namespace
}  // namespace rooftop::inference::cuda
