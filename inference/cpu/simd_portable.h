// Vectors of four floats in plain C++: the fallback for any machine, and what the other
// instruction sets are tested against. See simd_avx512.h for the meaning of each function.
#pragma once

#include "inference/cpu/numeric.h"

namespace rooftop::inference::cpu::portable {

struct Simd {
  static constexpr int kWidth = 4;
  static constexpr int kTileRows = 4;
  static constexpr int kTileVectors = 2;
  static constexpr int kAccumulators = 8;
  static constexpr bool kNativeBf16 = false;

  struct F {
    float x[kWidth];
  };

  template <typename Function>
  ROOFTOP_INLINE static F map(Function f) {
    F r;
    for (int i = 0; i < kWidth; ++i) r.x[i] = f(i);
    return r;
  }

  ROOFTOP_INLINE static F zero() { return set1(0.0F); }
  ROOFTOP_INLINE static F set1(float v) {
    return map([&](int) { return v; });
  }
  ROOFTOP_INLINE static F add(F a, F b) {
    return map([&](int i) { return a.x[i] + b.x[i]; });
  }
  ROOFTOP_INLINE static F sub(F a, F b) {
    return map([&](int i) { return a.x[i] - b.x[i]; });
  }
  ROOFTOP_INLINE static F mul(F a, F b) {
    return map([&](int i) { return a.x[i] * b.x[i]; });
  }
  ROOFTOP_INLINE static F div(F a, F b) {
    return map([&](int i) { return a.x[i] / b.x[i]; });
  }
  ROOFTOP_INLINE static F fma(F a, F b, F c) {
    return map([&](int i) { return a.x[i] * b.x[i] + c.x[i]; });
  }
  ROOFTOP_INLINE static F max(F a, F b) {
    return map([&](int i) { return a.x[i] > b.x[i] ? a.x[i] : b.x[i]; });
  }
  ROOFTOP_INLINE static F min(F a, F b) {
    return map([&](int i) { return a.x[i] < b.x[i] ? a.x[i] : b.x[i]; });
  }
  ROOFTOP_INLINE static float sum(F a) { return (a.x[0] + a.x[2]) + (a.x[1] + a.x[3]); }
  ROOFTOP_INLINE static float max_of(F a) {
    float m = a.x[0];
    for (int i = 1; i < kWidth; ++i) m = a.x[i] > m ? a.x[i] : m;
    return m;
  }
  ROOFTOP_INLINE static F round(F a) {
    return map([&](int i) { return __builtin_nearbyintf(a.x[i]); });
  }
  ROOFTOP_INLINE static F pow2(F n) {
    return map([&](int i) {
      return from_bits(static_cast<std::uint32_t>(static_cast<std::int32_t>(n.x[i]) + 127) << 23);
    });
  }
  ROOFTOP_INLINE static F first_or(F a, int n, float fill) {
    return map([&](int i) { return i < n ? a.x[i] : fill; });
  }

  template <typename T>
  ROOFTOP_INLINE static F load(const T* p) {
    return map([&](int i) { return to_float(p[i]); });
  }
  template <typename T>
  ROOFTOP_INLINE static F load_n(const T* p, int n) {
    return map([&](int i) { return i < n ? to_float(p[i]) : 0.0F; });
  }
  template <typename T>
  ROOFTOP_INLINE static void store(T* p, F a) {
    for (int i = 0; i < kWidth; ++i) from_float(a.x[i], p + i);
  }
  template <typename T>
  ROOFTOP_INLINE static void store_n(T* p, F a, int n) {
    for (int i = 0; i < n; ++i) from_float(a.x[i], p + i);
  }
  ROOFTOP_INLINE static F broadcast(const float* p) { return set1(*p); }
  ROOFTOP_INLINE static void transpose(F* r) {
    for (int i = 0; i < kWidth; ++i) {
      for (int j = i + 1; j < kWidth; ++j) {
        const float t = r[i].x[j];
        r[i].x[j] = r[j].x[i];
        r[j].x[i] = t;
      }
    }
  }
};

}  // namespace rooftop::inference::cpu::portable
