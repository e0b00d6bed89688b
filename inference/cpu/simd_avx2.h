// Vectors of eight floats: AVX2, FMA and F16C. See simd_avx512.h for the meaning of each function.
// Included only by kernels_avx2.cpp, which is compiled for them.
#pragma once

#include <immintrin.h>

#include "inference/cpu/numeric.h"

namespace rooftop::inference::cpu::avx2 {

struct Simd {
  static constexpr int kWidth = 8;
  static constexpr int kTileRows = 6;
  static constexpr int kTileVectors = 2;
  static constexpr int kAccumulators = 8;
  static constexpr bool kNativeBf16 = false;
  using F = __m256;

  ROOFTOP_INLINE static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  ROOFTOP_INLINE static F zero() { return _mm256_setzero_ps(); }
  ROOFTOP_INLINE static F set1(float v) { return _mm256_set1_ps(v); }
  ROOFTOP_INLINE static F add(F a, F b) { return _mm256_add_ps(a, b); }
  ROOFTOP_INLINE static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  ROOFTOP_INLINE static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  ROOFTOP_INLINE static F div(F a, F b) { return _mm256_div_ps(a, b); }
  ROOFTOP_INLINE static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  ROOFTOP_INLINE static F max(F a, F b) { return _mm256_max_ps(a, b); }
  ROOFTOP_INLINE static F min(F a, F b) { return _mm256_min_ps(a, b); }
  ROOFTOP_INLINE static float sum(F a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  ROOFTOP_INLINE static float max_of(F a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
  ROOFTOP_INLINE static F round(F a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  ROOFTOP_INLINE static F pow2(F n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  ROOFTOP_INLINE static F first_or(F a, int n, float fill) {
    return _mm256_blendv_ps(_mm256_set1_ps(fill), a, _mm256_castsi256_ps(first(n)));
  }

  ROOFTOP_INLINE static F load(const float* p) { return _mm256_loadu_ps(p); }
  ROOFTOP_INLINE static F load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  ROOFTOP_INLINE static void store(float* p, F a) { _mm256_storeu_ps(p, a); }
  ROOFTOP_INLINE static void store_n(float* p, F a, int n) { _mm256_maskstore_ps(p, first(n), a); }

  ROOFTOP_INLINE static F widen(__m128i raw, BF16) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
  }
  ROOFTOP_INLINE static F widen(__m128i raw, F16) { return _mm256_cvtph_ps(raw); }
  ROOFTOP_INLINE static __m128i narrow(F a, BF16) {
    const __m256i u = _mm256_castps_si256(a);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  }
  ROOFTOP_INLINE static __m128i narrow(F a, F16) {
    return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);
  }

  template <typename T>
  ROOFTOP_INLINE static F load(const T* p) {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), T{});
  }
  template <typename T>
  ROOFTOP_INLINE static F load_n(const T* p, int n) {
    T padded[kWidth] = {};
    for (int i = 0; i < n; ++i) padded[i] = p[i];
    return load(padded);
  }
  template <typename T>
  ROOFTOP_INLINE static void store(T* p, F a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(a, T{}));
  }
  template <typename T>
  ROOFTOP_INLINE static void store_n(T* p, F a, int n) {
    T padded[kWidth];
    store(padded, a);
    for (int i = 0; i < n; ++i) p[i] = padded[i];
  }

  ROOFTOP_INLINE static F broadcast(const float* p) { return _mm256_broadcast_ss(p); }

  ROOFTOP_INLINE static void transpose(F* r) {
    F t[8];
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    F u[8];
    for (int i = 0; i < 8; i += 4) {
      u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
      u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
      r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
  }
};

}  // namespace rooftop::inference::cpu::avx2
