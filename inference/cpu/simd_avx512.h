// Vectors of sixteen floats: AVX-512 F, BW, DQ, VL. This file also says what every Simd provides:
//   kWidth           floats in a vector
//   kTileRows, kTileVectors   register tile of the block products of attention
//   kAccumulators    vectors that a vector-matrix product may keep in registers
//   kNativeBf16      dot_bf16 exists: products of bf16 pairs, summed in fp32
//   load, store      any of float, BF16, F16; _n: the first n lanes only (0 < n <= kWidth), the
//                    others read as zero, and no memory behind them is touched
//   first_or         the first n lanes (n <= 0: none), `fill` elsewhere
//   round, pow2      to the nearest integer; 2^n of an integer -126 <= n <= 127
//   max, min         answer with the second operand where either is a NaN
//   transpose        kWidth x kWidth lanes
// Included only by files that are compiled for these instruction sets. ROOFTOP_SIMD_NAMESPACE keeps
// the two builds (with and without AVX512_BF16) apart.
#pragma once

#include <immintrin.h>

#include "inference/cpu/numeric.h"

namespace rooftop::inference::cpu::ROOFTOP_SIMD_NAMESPACE {

struct Simd {
  static constexpr int kWidth = 16;
  static constexpr int kTileRows = 6;
  static constexpr int kTileVectors = 4;
  static constexpr int kAccumulators = 16;
  using F = __m512;

  ROOFTOP_INLINE static __mmask16 first(int n) {
    return static_cast<__mmask16>(n <= 0 ? 0U : (n >= 16 ? 0xFFFFU : (1U << n) - 1U));
  }

  ROOFTOP_INLINE static F zero() { return _mm512_setzero_ps(); }
  ROOFTOP_INLINE static F set1(float v) { return _mm512_set1_ps(v); }
  ROOFTOP_INLINE static F add(F a, F b) { return _mm512_add_ps(a, b); }
  ROOFTOP_INLINE static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  ROOFTOP_INLINE static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  ROOFTOP_INLINE static F div(F a, F b) { return _mm512_div_ps(a, b); }
  ROOFTOP_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  ROOFTOP_INLINE static F max(F a, F b) { return _mm512_max_ps(a, b); }
  ROOFTOP_INLINE static F min(F a, F b) { return _mm512_min_ps(a, b); }
  ROOFTOP_INLINE static float sum(F a) { return _mm512_reduce_add_ps(a); }
  ROOFTOP_INLINE static float max_of(F a) { return _mm512_reduce_max_ps(a); }
  ROOFTOP_INLINE static F round(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  ROOFTOP_INLINE static F pow2(F n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  }
  ROOFTOP_INLINE static F first_or(F a, int n, float fill) {
    return _mm512_mask_mov_ps(_mm512_set1_ps(fill), first(n), a);
  }

  ROOFTOP_INLINE static F load(const float* p) { return _mm512_loadu_ps(p); }
  ROOFTOP_INLINE static F load_n(const float* p, int n) {
    return _mm512_maskz_loadu_ps(first(n), p);
  }
  ROOFTOP_INLINE static void store(float* p, F a) { _mm512_storeu_ps(p, a); }
  ROOFTOP_INLINE static void store_n(float* p, F a, int n) {
    _mm512_mask_storeu_ps(p, first(n), a);
  }

  ROOFTOP_INLINE static F widen(__m256i raw, BF16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
  }
  ROOFTOP_INLINE static F widen(__m256i raw, F16) { return _mm512_cvtph_ps(raw); }
  ROOFTOP_INLINE static __m256i narrow(F a, BF16) {
    const __m512i u = _mm512_castps_si512(a);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    r = _mm512_mask_or_epi32(r, nan, u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
  }
  ROOFTOP_INLINE static __m256i narrow(F a, F16) {
    return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);
  }

  template <typename T>
  ROOFTOP_INLINE static F load(const T* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T{});
  }
  template <typename T>
  ROOFTOP_INLINE static F load_n(const T* p, int n) {
    return widen(_mm256_maskz_loadu_epi16(first(n), p), T{});
  }
  template <typename T>
  ROOFTOP_INLINE static void store(T* p, F a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a, T{}));
  }
  template <typename T>
  ROOFTOP_INLINE static void store_n(T* p, F a, int n) {
    _mm256_mask_storeu_epi16(p, first(n), narrow(a, T{}));
  }

  // 32 bits of any meaning (a float, or a pair of bf16) into every lane.
  ROOFTOP_INLINE static F broadcast(const float* p) {
    std::int32_t lane;
    __builtin_memcpy(&lane, p, sizeof lane);
    return _mm512_castsi512_ps(_mm512_set1_epi32(lane));
  }

#ifdef __AVX512BF16__
  static constexpr bool kNativeBf16 = true;
  // c + a.even * b.even + a.odd * b.odd, where a and b hold bf16 pairs.
  ROOFTOP_INLINE static F dot_bf16(F a, F b, F c) {
    return _mm512_dpbf16_ps(c, __builtin_bit_cast(__m512bh, a), __builtin_bit_cast(__m512bh, b));
  }
  ROOFTOP_INLINE static F load_pairs(const BF16* p) {
    return _mm512_castsi512_ps(_mm512_loadu_si512(p));
  }
  // The first n bf16 values (0 < n <= 32), zeros behind them.
  ROOFTOP_INLINE static F load_pairs_n(const BF16* p, int n) {
    return _mm512_castsi512_ps(
        _mm512_maskz_loadu_epi16(static_cast<__mmask32>(0xFFFFFFFFU >> (32 - n)), p));
  }
  // Pairs (a[i], b[i]) of two runs of 16 values: `a` in the lower halves.
  ROOFTOP_INLINE static F interleave(__m256i a, __m256i b) {
    return _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_cvtepu16_epi32(a), _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16)));
  }
  ROOFTOP_INLINE static F interleave_n(const BF16* a, const BF16* b, int n) {
    const __m256i second =
        b == nullptr ? _mm256_setzero_si256() : _mm256_maskz_loadu_epi16(first(n), b);
    return interleave(_mm256_maskz_loadu_epi16(first(n), a), second);
  }
#else
  static constexpr bool kNativeBf16 = false;
#endif

  ROOFTOP_INLINE static void transpose(F* r) {
    F t[16];
    F u[16];
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
      t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
      u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
      u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
      u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    // u[4 q + j] holds, in its 128-bit part p, column 4 p + j of rows 4 q .. 4 q + 3.
    for (int j = 0; j < 4; ++j) {
      const F low01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0x88);
      const F high01 = _mm512_shuffle_f32x4(u[j], u[4 + j], 0xDD);
      const F low23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0x88);
      const F high23 = _mm512_shuffle_f32x4(u[8 + j], u[12 + j], 0xDD);
      r[j] = _mm512_shuffle_f32x4(low01, low23, 0x88);
      r[8 + j] = _mm512_shuffle_f32x4(low01, low23, 0xDD);
      r[4 + j] = _mm512_shuffle_f32x4(high01, high23, 0x88);
      r[12 + j] = _mm512_shuffle_f32x4(high01, high23, 0xDD);
    }
  }
};

}  // namespace rooftop::inference::cpu::ROOFTOP_SIMD_NAMESPACE
