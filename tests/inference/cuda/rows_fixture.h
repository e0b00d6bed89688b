// What the tests of the linear and row kernels share: device arrays with guards, and values of both
// types from a seed.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "inference/backend.h"
#include "tests/host_executor/host_executor.h"

namespace rooftop::inference::cuda::rows_test {

// a * b * c, for indices into arrays of that shape.
inline std::size_t size_of(int a, int b = 1, int c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

inline double to_double(float x) { return x; }
inline double to_double(__nv_bfloat16 x) { return __bfloat162float(x); }
inline double to_double(__half x) { return __half2float(x); }

template <typename T>
T rounded(double x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) return __float2bfloat16_rn(static_cast<float>(x));
  if constexpr (std::is_same_v<T, __half>) return __float2half_rn(static_cast<float>(x));
  if constexpr (std::is_same_v<T, float>) return static_cast<float>(x);
}

template <typename T>
constexpr DType dtype_of() {
  return std::is_same_v<T, __nv_bfloat16> ? DType::kBF16 : DType::kF16;
}

// Half a unit in the last place, relative: what one correct rounding may change.
template <typename T>
constexpr double half_ulp() {
  if (std::is_same_v<T, float>) return 0x1p-24;
  return std::is_same_v<T, __nv_bfloat16> ? 0x1p-8 : 0x1p-11;
}

// An array with a guard behind it: reading the guard gives NaN, and intact() tells whether it was
// written. AddressSanitizer has guards of its own.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size), bytes_((size + kGuard) * sizeof(T)) {
    memory_.reset(static_cast<unsigned char*>(
        ::operator new[](std::max<std::size_t>(bytes_, 1), std::align_val_t{kAlignment})));
    std::memset(memory_.get(), kPattern, bytes_);
  }

  T* data() { return reinterpret_cast<T*>(memory_.get()); }
  const T* data() const { return reinterpret_cast<const T*>(memory_.get()); }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  std::size_t size() const { return size_; }
  double at(std::size_t i) const { return to_double(data()[i]); }

  bool intact(std::size_t from) const {
    return std::all_of(memory_.get() + from * sizeof(T), memory_.get() + bytes_,
                       [](unsigned char byte) { return byte == kPattern; });
  }
  bool intact() const { return intact(size_); }
  bool untouched(std::size_t i) const {
    const unsigned char* const bytes = memory_.get() + i * sizeof(T);
    return std::all_of(bytes, bytes + sizeof(T),
                       [](unsigned char byte) { return byte == kPattern; });
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kGuard = 0;
#else
  static constexpr std::size_t kGuard = 512;
#endif
  static constexpr unsigned char kPattern = 0xFF;  // a NaN in all three types
  static constexpr std::size_t kAlignment = 256;   // as cudaMalloc's

  struct Free {
    void operator()(unsigned char* memory) const {
      ::operator delete[](memory, std::align_val_t{kAlignment});
    }
  };
  std::size_t size_;
  std::size_t bytes_;
  std::unique_ptr<unsigned char, Free> memory_;
};

template <typename T>
DeviceArray<T> gaussian(std::size_t size, std::mt19937& random, double scale = 1) {
  std::normal_distribution<double> distribution(0, scale);
  DeviceArray<T> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = rounded<T>(distribution(random));
  return values;
}

inline int uniform(std::mt19937& random, int least, int most) {
  return std::uniform_int_distribution<int>(least, most)(random);
}

// What a test changes lasts until its end; else ROOFTOP_HOST_EXECUTOR_SEED decides.
class KeepOptions {
 public:
  KeepOptions() = default;
  KeepOptions(const KeepOptions&) = delete;
  KeepOptions& operator=(const KeepOptions&) = delete;
  ~KeepOptions() { host_executor::set_options(before_); }

 private:
  host_executor::Options before_ = host_executor::options();
};

inline const std::vector<host_executor::Options>& schedules() {
  using host_executor::Schedule;
  static const std::vector<host_executor::Options> all = {{Schedule::kAscending, 0},
                                                          {Schedule::kDescending, 0},
                                                          {Schedule::kRandom, 1},
                                                          {Schedule::kRandom, 2},
                                                          {Schedule::kRandom, 3}};
  return all;
}

}  // namespace rooftop::inference::cuda::rows_test
