// The kernels of the measured roofs, on the host executor: that they touch every element of their
// buffers, as often as they say, and nothing else.
#include "profiler/roofs/cuda/kernels.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace rooftop::cuda {
namespace {

constexpr unsigned char kPoison = 0xA5;

// Elements of 16 bytes with guards of poison behind them.
class Elements {
 public:
  explicit Elements(std::size_t count) : count_(count), data_(count + kGuard) {
    std::memset(data_.data(), kPoison, data_.size() * sizeof(uint4));
  }
  [[nodiscard]] uint4* data() { return data_.data(); }
  [[nodiscard]] bool poisoned(std::size_t i) const {
    uint4 poison;
    std::memset(&poison, kPoison, sizeof poison);
    return std::memcmp(&data_[i], &poison, sizeof poison) == 0;
  }
  [[nodiscard]] std::size_t poisoned_inside() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i) n += poisoned(i) ? 1 : 0;
    return n;
  }
  [[nodiscard]] bool guards_untouched() const {
    for (std::size_t i = count_; i < data_.size(); ++i) {
      if (!poisoned(i)) return false;
    }
    return true;
  }
  [[nodiscard]] bool operator==(const Elements& other) const {
    return std::memcmp(data_.data(), other.data_.data(), count_ * sizeof(uint4)) == 0;
  }

 private:
  static constexpr std::size_t kGuard = 8;
  std::size_t count_;
  std::vector<uint4> data_;
};

BandwidthTest bandwidth_test(Access access, std::uint64_t elements, std::uint32_t turns = 1) {
  return {"test", "test", access, elements, turns};
}

TEST(CudaRoofKernels, FillsEveryElementAndNoMore) {
  for (const std::size_t count : {1, 255, 256, 257, 1000}) {
    Elements a(count);
    Elements same(count);
    Elements other(count);
    launch_fill(a.data(), count, 1, nullptr);
    launch_fill(same.data(), count, 1, nullptr);
    launch_fill(other.data(), count, 2, nullptr);
    EXPECT_EQ(a.poisoned_inside(), 0U);
    EXPECT_TRUE(a.guards_untouched());
    EXPECT_TRUE(a == same);
    EXPECT_FALSE(a == other);
  }
}

TEST(CudaRoofKernels, CopiesEveryElementAndNoMore) {
  for (const std::size_t count : {1, 700, 3 * 256 * 4, 3 * 256 * 4 + 1, 5000}) {
    Elements from(count);
    Elements to(count);
    launch_fill(from.data(), count, 3, nullptr);
    launch_pass(bandwidth_test(Access::kCopy, count), {from.data(), to.data()}, 3, nullptr);
    EXPECT_TRUE(from == to) << count;
    EXPECT_TRUE(to.guards_untouched()) << count;
  }
}

TEST(CudaRoofKernels, WritesEveryElementAndNoMore) {
  const auto expect_written = [](std::size_t count, std::uint32_t turns) {
    Elements to(count);
    launch_pass(bandwidth_test(Access::kWrite, count, turns), {nullptr, to.data()}, 2, nullptr);
    EXPECT_EQ(to.poisoned_inside(), 0U) << count;
    EXPECT_TRUE(to.guards_untouched()) << count;
  };
  for (const std::size_t count : {5, 600, 512, 1537}) expect_written(count, 1);
  // Several turns, where a multiple of the threads keeps each element to one of them. On a GPU
  // others meet, too: what is written has no meaning.
  for (const std::size_t count : {512, 1024}) expect_written(count, 3);
}

// What a read does is seen by what stands in its way: an element of all ones is reported into `to`
// wherever the thread that read it read nothing else.
TEST(CudaRoofKernels, ReadsEveryElement) {
  constexpr std::size_t kCount = 300;  // fewer than threads: each reads one element, once
  for (std::size_t marked = 0; marked < kCount; ++marked) {
    Elements from(kCount);
    Elements to(1);
    std::memset(from.data(), 0, kCount * sizeof(uint4));
    std::memset(from.data() + marked, 0xFF, sizeof(uint4));
    launch_pass(bandwidth_test(Access::kRead, kCount), {from.data(), to.data()}, 2, nullptr);
    EXPECT_FALSE(to.poisoned(0)) << marked;
    EXPECT_TRUE(to.guards_untouched());
  }
}

TEST(CudaRoofKernels, ReadsOfRandomDataWriteNothing) {
  for (const std::size_t count : {7, 513, 4000}) {
    Elements from(count);
    Elements to(1);
    launch_fill(from.data(), count, 4, nullptr);
    launch_pass(bandwidth_test(Access::kRead, count, 3), {from.data(), to.data()}, 2, nullptr);
    EXPECT_TRUE(to.poisoned(0)) << count;
  }
}

template <typename T, typename ToDouble>
void expect_gaussian(Value value, double scale, const ToDouble& to_double) {
  constexpr std::size_t kCount = 20001;
  std::vector<T> values(kCount + 1);
  std::memset(static_cast<void*>(values.data()), kPoison, values.size() * sizeof(T));
  const T guard = values.back();
  launch_fill_values(value, values.data(), kCount, 5, nullptr);
  EXPECT_EQ(std::memcmp(&values.back(), &guard, sizeof guard), 0);
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double x = to_double(values[i]) / scale;
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.05);
  EXPECT_NEAR(squares / kCount, 1, 0.05);
}

TEST(CudaRoofKernels, ValuesOfEveryTypeAreGaussian) {
  expect_gaussian<__nv_bfloat16>(Value::kBF16, 1,
                                 [](__nv_bfloat16 x) { return double{__bfloat162float(x)}; });
  expect_gaussian<__half>(Value::kF16, 1, [](__half x) { return double{__half2float(x)}; });
  expect_gaussian<float>(Value::kF32, 1, [](float x) { return double{x}; });
  expect_gaussian<__nv_fp8_e4m3>(Value::kFP8, 1,
                                 [](__nv_fp8_e4m3 x) { return double{static_cast<float>(x)}; });
  expect_gaussian<std::int8_t>(Value::kInt8, 32, [](std::int8_t x) { return double(x); });
}

}  // namespace
}  // namespace rooftop::cuda
