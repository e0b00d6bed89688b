// Templates over a Simd (simd_*.h) and a storage type: the vector-matrix product and the row-wise
// operators. Included by the kernels_*.cpp files only.
#pragma once

#include "inference/cpu/numeric.h"

namespace rooftop::inference::cpu {

// exp(x) to about 2 ulp (Cephes' expf): 2^n * p(r), r = x - n ln 2. Below -87.3 it stays at the
// smallest normal number; a NaN stays a NaN.
template <typename S>
ROOFTOP_INLINE typename S::F exp_of(typename S::F x) {
  x = S::min(S::set1(88.0F), S::max(S::set1(-87.3F), x));
  const auto n = S::round(S::mul(x, S::set1(1.44269504088896341F)));
  auto r = S::fma(n, S::set1(-0.693359375F), x);
  r = S::fma(n, S::set1(2.12194440e-4F), r);
  auto p = S::set1(1.9875691500e-4F);
  p = S::fma(p, r, S::set1(1.3981999507e-3F));
  p = S::fma(p, r, S::set1(8.3334519073e-3F));
  p = S::fma(p, r, S::set1(4.1665795894e-2F));
  p = S::fma(p, r, S::set1(1.6666665459e-1F));
  p = S::fma(p, r, S::set1(5.0000001201e-1F));
  p = S::fma(S::mul(p, r), r, S::add(r, S::set1(1.0F)));
  return S::mul(p, S::pow2(n));
}

// Whole vectors with load(i), then one partial with load_n(i, count): body(i, count).
template <typename S, typename Whole, typename Partial>
ROOFTOP_INLINE void for_vectors(std::int64_t n, Whole whole, Partial partial) {
  std::int64_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth) whole(i);
  if (i < n) partial(i, static_cast<int>(n - i));
}

// How a vector-matrix product reads weights: one vector of floats at a time, or, natively, bf16
// pairs.
template <typename S, typename T>
struct Products {
  static constexpr int kStep = S::kWidth;
  ROOFTOP_INLINE static typename S::F load(const T* p) { return S::load(p); }
  ROOFTOP_INLINE static typename S::F load_n(const T* p, int n) { return S::load_n(p, n); }
  ROOFTOP_INLINE static typename S::F multiply_add(typename S::F a, typename S::F b,
                                                   typename S::F c) {
    return S::fma(a, b, c);
  }
};
template <typename S>
struct PairProducts {
  static constexpr int kStep = 2 * S::kWidth;
  ROOFTOP_INLINE static typename S::F load(const BF16* p) { return S::load_pairs(p); }
  ROOFTOP_INLINE static typename S::F load_n(const BF16* p, int n) { return S::load_pairs_n(p, n); }
  ROOFTOP_INLINE static typename S::F multiply_add(typename S::F a, typename S::F b,
                                                   typename S::F c) {
    return S::dot_bf16(a, b, c);
  }
};
template <typename S, typename T, bool kPairs>
struct ProductsOf {
  using Type = Products<S, T>;
};
template <typename S>
struct ProductsOf<S, BF16, true> {
  using Type = PairProducts<S>;
};

// N weight rows times R activation rows; sums[i * R + r].
template <typename S, typename P, typename T, int N, int R>
ROOFTOP_INLINE void gemv_tile(const T* w, std::int64_t k, const T* x, std::int64_t x_stride,
                              float* sums) {
  typename S::F acc[N * R];
#pragma GCC unroll 32
  for (int i = 0; i < N * R; ++i) acc[i] = S::zero();
  std::int64_t j = 0;
  for (; j + P::kStep <= k; j += P::kStep) {
    typename S::F weights[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) weights[i] = P::load(w + i * k + j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const auto activations = P::load(x + r * x_stride + j);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) {
        acc[i * R + r] = P::multiply_add(weights[i], activations, acc[i * R + r]);
      }
    }
  }
  if (j < k) {
    const int rest = static_cast<int>(k - j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const auto activations = P::load_n(x + r * x_stride + j, rest);
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i) {
        acc[i * R + r] =
            P::multiply_add(P::load_n(w + i * k + j, rest), activations, acc[i * R + r]);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < N * R; ++i) sums[i] = S::sum(acc[i]);
}

template <typename T>
ROOFTOP_INLINE void put(float value, void* y, std::int64_t index, bool wide) {
  if (wide) {
    static_cast<float*>(y)[index] = value;
  } else {
    from_float(value, static_cast<T*>(y) + index);
  }
}

template <typename S, typename T, int R>
void gemv_rows(const T* w, std::int64_t n, std::int64_t k, const T* x, std::int64_t x_stride,
               void* y, std::int64_t y_stride, bool wide) {
  using P = typename ProductsOf<S, T, S::kNativeBf16>::Type;
  // As many weight rows at a time as registers hold: each activation vector is loaded once for all.
  constexpr int kRows = S::kAccumulators / R >= 4 ? 4 : (S::kAccumulators / R >= 2 ? 2 : 1);
  float sums[kRows * R];
  std::int64_t i = 0;
  for (; i + kRows <= n; i += kRows) {
    gemv_tile<S, P, T, kRows, R>(w + i * k, k, x, x_stride, sums);
    for (int m = 0; m < kRows; ++m) {
      for (int r = 0; r < R; ++r) put<T>(sums[m * R + r], y, r * y_stride + i + m, wide);
    }
  }
  for (; i < n; ++i) {
    gemv_tile<S, P, T, 1, R>(w + i * k, k, x, x_stride, sums);
    for (int r = 0; r < R; ++r) put<T>(sums[r], y, r * y_stride + i, wide);
  }
}

template <typename S, typename T>
struct LinearKernels {
  static void gemv(const void* w, std::int64_t n, std::int64_t k, const void* x,
                   std::int64_t x_stride, int rows, void* y, std::int64_t y_stride, bool wide) {
    const auto run = [&](auto function) {
      function(static_cast<const T*>(w), n, k, static_cast<const T*>(x), x_stride, y, y_stride,
               wide);
    };
    switch (rows) {
      case 1:
        return run(gemv_rows<S, T, 1>);
      case 2:
        return run(gemv_rows<S, T, 2>);
      case 3:
        return run(gemv_rows<S, T, 3>);
      case 4:
        return run(gemv_rows<S, T, 4>);
      case 5:
        return run(gemv_rows<S, T, 5>);
      case 6:
        return run(gemv_rows<S, T, 6>);
      case 7:
        return run(gemv_rows<S, T, 7>);
      default:
        return run(gemv_rows<S, T, 8>);
    }
  }

  static void rms_norm(const void* x_in, const void* weight_in, void* y_out, std::int64_t h,
                       float eps) {
    const T* x = static_cast<const T*>(x_in);
    const T* weight = static_cast<const T*>(weight_in);
    T* y = static_cast<T*>(y_out);
    auto acc = S::zero();
    const auto square = [&](typename S::F v) { acc = S::fma(v, v, acc); };
    for_vectors<S>(
        h, [&](std::int64_t i) { square(S::load(x + i)); },
        [&](std::int64_t i, int n) { square(S::load_n(x + i, n)); });
    const float mean = S::sum(acc) / static_cast<float>(h);
    const auto factor = S::set1(1.0F / __builtin_sqrtf(mean + eps));
    // Normalised values are rounded to the compute type before the weight multiplies them.
    for_vectors<S>(
        h,
        [&](std::int64_t i) {
          S::store(y + i, S::mul(S::load(x + i), factor));
          S::store(y + i, S::mul(S::load(y + i), S::load(weight + i)));
        },
        [&](std::int64_t i, int n) {
          S::store_n(y + i, S::mul(S::load_n(x + i, n), factor), n);
          S::store_n(y + i, S::mul(S::load_n(y + i, n), S::load_n(weight + i, n)), n);
        });
  }

  static void rope(void* x_in, const float* cosine, const float* sine, std::int64_t d) {
    T* low = static_cast<T*>(x_in);
    T* high = low + d / 2;
    const auto rotate = [&](typename S::F a, typename S::F b, typename S::F c, typename S::F s,
                            auto put_low, auto put_high) {
      put_low(S::sub(S::mul(a, c), S::mul(b, s)));
      put_high(S::fma(b, c, S::mul(a, s)));
    };
    for_vectors<S>(
        d / 2,
        [&](std::int64_t i) {
          rotate(
              S::load(low + i), S::load(high + i), S::load(cosine + i), S::load(sine + i),
              [&](auto v) { S::store(low + i, v); }, [&](auto v) { S::store(high + i, v); });
        },
        [&](std::int64_t i, int n) {
          rotate(
              S::load_n(low + i, n), S::load_n(high + i, n), S::load_n(cosine + i, n),
              S::load_n(sine + i, n), [&](auto v) { S::store_n(low + i, v, n); },
              [&](auto v) { S::store_n(high + i, v, n); });
        });
  }

  static void swiglu(void* gate_in, const void* up_in, std::int64_t count) {
    T* gate = static_cast<T*>(gate_in);
    const T* up = static_cast<const T*>(up_in);
    const auto value = [](typename S::F g, typename S::F u) {
      const auto one = S::set1(1.0F);
      const auto e = exp_of<S>(S::sub(S::zero(), g));
      return S::mul(S::div(g, S::add(one, e)), u);
    };
    for_vectors<S>(
        count,
        [&](std::int64_t i) { S::store(gate + i, value(S::load(gate + i), S::load(up + i))); },
        [&](std::int64_t i, int n) {
          S::store_n(gate + i, value(S::load_n(gate + i, n), S::load_n(up + i, n)), n);
        });
  }

  static void add(void* x_in, const void* y_in, std::int64_t count) {
    T* x = static_cast<T*>(x_in);
    const T* y = static_cast<const T*>(y_in);
    for_vectors<S>(
        count, [&](std::int64_t i) { S::store(x + i, S::add(S::load(x + i), S::load(y + i))); },
        [&](std::int64_t i, int n) {
          S::store_n(x + i, S::add(S::load_n(x + i, n), S::load_n(y + i, n)), n);
        });
  }

  static void widen(const void* x_in, float* y, std::int64_t count) {
    const T* x = static_cast<const T*>(x_in);
    for_vectors<S>(
        count, [&](std::int64_t i) { S::store(y + i, S::load(x + i)); },
        [&](std::int64_t i, int n) { S::store_n(y + i, S::load_n(x + i, n), n); });
  }

  static void narrow(const float* x, void* y_out, std::int64_t count) {
    T* y = static_cast<T*>(y_out);
    for_vectors<S>(
        count, [&](std::int64_t i) { S::store(y + i, S::load(x + i)); },
        [&](std::int64_t i, int n) { S::store_n(y + i, S::load_n(x + i, n), n); });
  }
};

}  // namespace rooftop::inference::cpu
