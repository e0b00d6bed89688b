// Vector-matrix products on the host executor, against sums in double of the same rounded inputs.
#include <gtest/gtest.h>

#include <string>

#include "inference/cuda/gemv_plan.h"
#include "inference/cuda/kernels.h"
#include "tests/inference/cuda/rows_fixture.h"

namespace rooftop::inference::cuda {
namespace {

using rows_test::DeviceArray;
using rows_test::gaussian;
using rows_test::half_ulp;
using rows_test::rounded;
using rows_test::size_of;
using rows_test::to_double;
using rows_test::uniform;

constexpr float kEps = 0.25F;  // large enough to be missed

struct Shape {
  int rows;
  int n;
  int k;
};

std::string name_of_epilogue(Epilogue epilogue) {
  const char* const names[] = {"kStore", "kAdd", "kSwiGlu", "kStoreF32"};
  return names[static_cast<int>(epilogue)];
}

// A value and how far fp32 sums may be from it.
struct Expected {
  double value = 0;
  double slack = 0;
};

// One product with its inputs, computed twice.
template <typename T>
class Product {
 public:
  Product(const Shape& shape, Epilogue epilogue, bool normalised, unsigned seed)
      : shape_(shape),
        epilogue_(epilogue),
        normalised_(normalised),
        random_(seed),
        x_(gaussian<T>(size_of(shape.rows, shape.k), random_)),
        norm_weight_(gaussian<T>(size_of(shape.k), random_)),
        w_(gaussian<T>(size_of(weight_rows(), shape.k), random_)) {
    normalise();
  }

  void run(int multiprocessors) {
    if (epilogue_ == Epilogue::kStoreF32) {
      run_into<float>(multiprocessors);
    } else {
      run_into<T>(multiprocessors);
    }
  }

  int weight_rows() const { return epilogue_ == Epilogue::kSwiGlu ? 2 * shape_.n : shape_.n; }

 private:
  template <typename Y>
  void run_into(int multiprocessors) {
    const std::size_t outputs = size_of(shape_.rows, shape_.n);
    DeviceArray<Y> y(outputs);
    const DeviceArray<Y> before = gaussian<Y>(outputs, random_);
    if (epilogue_ == Epilogue::kAdd) std::copy_n(before.data(), outputs, y.data());

    Gemv call;
    call.dtype = rows_test::dtype_of<T>();
    call.rows = shape_.rows;
    call.n = shape_.n;
    call.k = shape_.k;
    call.x = x_.data();
    call.norm_weight = normalised_ ? norm_weight_.data() : nullptr;
    call.norm_eps = kEps;
    call.w = w_.data();
    call.epilogue = epilogue_;
    call.y = y.data();
    launch_gemv(call, multiprocessors, nullptr);

    EXPECT_TRUE(y.intact()) << "wrote beyond y";
    for (int m = 0; m < shape_.rows; ++m) {
      for (int j = 0; j < shape_.n; ++j) {
        const std::size_t at = size_of(m, shape_.n) + size_of(j);
        Expected expected = expect(m, j);
        if (epilogue_ == Epilogue::kAdd) expected.value += before.at(at);
        const double allowed = expected.slack + 1.01 * half_ulp<Y>() * std::abs(expected.value);
        ASSERT_NEAR(y.at(at), expected.value, allowed) << "row " << m << ", output " << j;
      }
    }
  }

  // In double from x as stored, rounded once to T.
  void normalise() {
    for (int m = 0; m < shape_.rows; ++m) {
      double squares = 0;
      for (int i = 0; i < shape_.k; ++i) squares += x(m, i) * x(m, i);
      const double scale = normalised_ ? 1 / std::sqrt(squares / shape_.k + kEps) : 1;
      for (int i = 0; i < shape_.k; ++i) {
        const double by = normalised_ ? norm_weight_.at(size_of(i)) : 1;
        in_.push_back(to_double(rounded<T>(x(m, i) * scale * by)));
      }
    }
  }
  double x(int m, int i) const { return x_.at(size_of(m, shape_.k) + size_of(i)); }

  // fp32 sums stray by few roundings of the terms' size, as a random walk does. A normalised x
  // right between two values of T may have been rounded either way.
  Expected dot(int m, int row) const {
    Expected sum;
    double magnitude = 0;
    double largest = 0;
    for (int i = 0; i < shape_.k; ++i) {
      const double term =
          in_[size_of(m, shape_.k) + size_of(i)] * w_.at(size_of(row, shape_.k) + size_of(i));
      sum.value += term;
      magnitude += std::abs(term);
      largest = std::max(largest, std::abs(term));
    }
    sum.slack = 4e-7 * magnitude + (normalised_ ? 4 * half_ulp<T>() * largest : 0);
    return sum;
  }

  Expected expect(int m, int j) const {
    const Expected first = dot(m, j);
    if (epilogue_ != Epilogue::kSwiGlu) return first;
    const Expected up = dot(m, j + shape_.n);
    const double sigmoid = 1 / (1 + std::exp(-first.value));
    const double silu = first.value * sigmoid;
    // |silu'| < 1.1
    const double slack = 1.1 * first.slack * (std::abs(up.value) + up.slack) +
                         up.slack * std::abs(silu) + 1e-6 * std::abs(silu * up.value);
    return {silu * up.value, slack};
  }

  Shape shape_;
  Epilogue epilogue_;
  bool normalised_;
  std::mt19937 random_;
  DeviceArray<T> x_;
  DeviceArray<T> norm_weight_;
  DeviceArray<T> w_;
  std::vector<double> in_;  // x, normalised where wanted
};

template <typename T>
void expect_right(const Shape& shape, Epilogue epilogue, bool normalised, unsigned seed,
                  int multiprocessors) {
  SCOPED_TRACE(name_of_epilogue(epilogue) + (normalised ? " normalised" : "") + ": rows " +
               std::to_string(shape.rows) + ", n " + std::to_string(shape.n) + ", k " +
               std::to_string(shape.k) + ", multiprocessors " + std::to_string(multiprocessors));
  Product<T>(shape, epilogue, normalised, seed).run(multiprocessors);
}

constexpr Epilogue kEpilogues[] = {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu,
                                   Epilogue::kStoreF32};

class GemvRows : public ::testing::TestWithParam<int> {};

template <typename T>
void expect_random_shapes_right(int rows) {
  std::mt19937 random(static_cast<unsigned>(rows));
  for (const Epilogue epilogue : kEpilogues) {
    for (const bool normalised : {false, true}) {
      const Shape shape{rows, uniform(random, 1, 45), 8 * uniform(random, 1, 90)};
      expect_right<T>(shape, epilogue, normalised, static_cast<unsigned>(random()),
                      uniform(random, 1, 3));
    }
  }
}

TEST_P(GemvRows, RandomShapesBf16) { expect_random_shapes_right<__nv_bfloat16>(GetParam()); }
TEST_P(GemvRows, RandomShapesF16) { expect_random_shapes_right<__half>(GetParam()); }

// Few outputs of long rows: warps share a group by slices, of which some have less than a batch.
TEST_P(GemvRows, SlicesOfK) {
  for (const int k : {2048, 2056, 3000, 4096}) {
    const Shape shape{GetParam(), 5, k};
    ASSERT_GT(plan_gemv(shape.rows, shape.n, k, 1).k_slices, 1);
    expect_right<__nv_bfloat16>(shape, Epilogue::kAdd, true, 7, 1);
  }
}

// Blocks that go through their groups several times, with and without slices.
TEST_P(GemvRows, SeveralPasses) {
  const bool dot = GetParam() <= kGemvMostDotRows;
  const Shape whole{GetParam(), dot ? 110 : 560, 40};
  EXPECT_EQ(plan_gemv(whole.rows, whole.n, whole.k, 1).k_slices, 1);
  expect_right<__half>(whole, Epilogue::kStore, false, 8, 1);

  const Shape sliced{GetParam(), dot ? 50 : 150, dot ? 2048 : 512};
  EXPECT_GT(plan_gemv(sliced.rows, sliced.n, sliced.k, 1).k_slices, 1);
  expect_right<__half>(sliced, Epilogue::kStore, false, 8, 1);
  const Shape gated{GetParam(), sliced.n / 2, sliced.k};
  expect_right<__half>(gated, Epilogue::kSwiGlu, false, 8, 1);
}

// Any number of outputs around a group's and a block's; the least k.
TEST_P(GemvRows, EveryRemainderOfOutputs) {
  for (int n = 1; n <= 34; ++n) {
    expect_right<__nv_bfloat16>({GetParam(), n, 8}, kEpilogues[n % 4], n % 3 == 0, 9, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GemvRows, ::testing::Range(1, kMostGemvRows + 1));

// x that shared memory does not hold.
TEST(GemvKernel, DirectX) {
  for (const Shape shape : {Shape{1, 3, 41016}, Shape{3, 3, 13704}, Shape{8, 18, 5128}}) {
    ASSERT_FALSE(plan_gemv(shape.rows, shape.n, shape.k, 1).staged);
    expect_right<__nv_bfloat16>(shape, Epilogue::kStoreF32, false, 10, 1);
    expect_right<__half>(shape, Epilogue::kAdd, true, 11, 1);
  }
}

TEST(GemvKernel, AnyOrderOfThreads) {
  const rows_test::KeepOptions keep;
  for (const host_executor::Options& options : rows_test::schedules()) {
    host_executor::set_options(options);
    for (const int rows : {1, 2, 5}) {
      expect_right<__nv_bfloat16>({rows, 30, 2048}, Epilogue::kAdd, true, 12, 1);
      expect_right<__nv_bfloat16>({rows, 9, 1096}, Epilogue::kSwiGlu, true, 13, 2);
    }
  }
}

// A row of NaNs in x or W must stay in its own outputs.
TEST(GemvKernel, RowsDoNotMix) {
  for (const int rows : {2, 5}) {
    std::mt19937 random(14);
    const int n = 21;
    const int k = 264;
    DeviceArray<__half> x = gaussian<__half>(size_of(rows, k), random);
    DeviceArray<__half> w = gaussian<__half>(size_of(n, k), random);
    const __half nan = __float2half_rn(std::numeric_limits<float>::quiet_NaN());
    for (int i = 0; i < k; ++i) {
      x[size_of(k) + size_of(i)] = nan;
      w[size_of(17, k) + size_of(i)] = nan;
    }
    DeviceArray<__half> y(size_of(rows, n));
    Gemv call;
    call.dtype = DType::kF16;
    call.rows = rows;
    call.n = n;
    call.k = k;
    call.x = x.data();
    call.w = w.data();
    call.y = y.data();
    launch_gemv(call, 1, nullptr);
    for (int m = 0; m < rows; ++m) {
      for (int j = 0; j < n; ++j) {
        const bool expected = m == 1 || j == 17;
        EXPECT_EQ(std::isnan(y.at(size_of(m, n) + size_of(j))), expected)
            << "row " << m << ", output " << j;
      }
    }
  }
}

}  // namespace
}  // namespace rooftop::inference::cuda
