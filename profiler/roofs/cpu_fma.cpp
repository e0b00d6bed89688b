#include "profiler/roofs/cpu_fma.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// The chains are an array that must become registers: GCC unrolls the loop over them only when told
// (at -O2), clang does by itself.
#if defined(__GNUC__) && !defined(__clang__)
#define ROOFTOP_UNROLL _Pragma("GCC unroll 16")
#else
#define ROOFTOP_UNROLL
#endif

namespace rooftop {
namespace {

// Four lanes in the compiler's own terms: a vector register of every baseline.
using Float4 = float __attribute__((vector_size(16)));

double run_portable(std::int64_t turns, float scale, float shift, const float* starts) {
  const Float4 multiplier = {scale, scale, scale, scale};
  const Float4 addend = {shift, shift, shift, shift};
  Float4 x[kFmaChains];
  ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) {
    x[i] = Float4{starts[i], starts[i], starts[i], starts[i]};
  }
  for (std::int64_t t = 0; t < turns; ++t) {
    ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) x[i] = x[i] * multiplier + addend;
  }
  double sum = 0;
  for (const Float4& chain : x) {
    for (int lane = 0; lane < 4; ++lane) sum += chain[lane];
  }
  return sum;
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) double run_avx2(std::int64_t turns, float scale, float shift,
                                                    const float* starts) {
  const __m256 multiplier = _mm256_set1_ps(scale);
  const __m256 addend = _mm256_set1_ps(shift);
  __m256 x[kFmaChains];
  ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) x[i] = _mm256_set1_ps(starts[i]);
  for (std::int64_t t = 0; t < turns; ++t) {
    ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) {
      x[i] = _mm256_fmadd_ps(x[i], multiplier, addend);
    }
  }
  double sum = 0;
  for (const __m256& chain : x) {
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, chain);
    for (const float lane : lanes) sum += lane;
  }
  return sum;
}

__attribute__((target("avx512f"))) double sum_of(const __m512* chains) {
  double sum = 0;
  for (int i = 0; i < kFmaChains; ++i) {
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, chains[i]);
    for (const float lane : lanes) sum += lane;
  }
  return sum;
}

__attribute__((target("avx512f"))) double run_avx512(std::int64_t turns, float scale, float shift,
                                                     const float* starts) {
  const __m512 multiplier = _mm512_set1_ps(scale);
  const __m512 addend = _mm512_set1_ps(shift);
  __m512 x[kFmaChains];
  ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) x[i] = _mm512_set1_ps(starts[i]);
  for (std::int64_t t = 0; t < turns; ++t) {
    ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) {
      x[i] = _mm512_fmadd_ps(x[i], multiplier, addend);
    }
  }
  return sum_of(x);
}

// Each lane adds the products of a bf16 pair: x += scale * 1 + scale * 1.
__attribute__((target("avx512f,avx512bf16"))) double run_avx512_bf16(std::int64_t turns,
                                                                     float scale, float /*shift*/,
                                                                     const float* starts) {
  const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_set1_ps(scale), _mm512_set1_ps(scale));
  const __m512bh ones = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1), _mm512_set1_ps(1));
  __m512 x[kFmaChains];
  ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) x[i] = _mm512_set1_ps(starts[i]);
  for (std::int64_t t = 0; t < turns; ++t) {
    ROOFTOP_UNROLL for (int i = 0; i < kFmaChains; ++i) {
      x[i] = _mm512_dpbf16_ps(x[i], pairs, ones);
    }
  }
  return sum_of(x);
}

#endif

}  // namespace

FmaLoop f32_loop(VectorIsa isa) {
#if defined(__x86_64__)
  if (isa >= VectorIsa::kAvx512) return {run_avx512, 2.0 * kFmaChains * 16, "AVX-512 FMA"};
  if (isa == VectorIsa::kAvx2Fma) return {run_avx2, 2.0 * kFmaChains * 8, "AVX2 FMA"};
#endif
  (void)isa;
  return {run_portable, 2.0 * kFmaChains * 4, "portable multiply-add"};
}

std::optional<FmaLoop> bf16_loop(VectorIsa isa) {
#if defined(__x86_64__)
  if (isa >= VectorIsa::kAvx512Bf16) {
    return FmaLoop{run_avx512_bf16, 2.0 * kFmaChains * 32, "AVX-512 BF16 dot product"};
  }
#endif
  (void)isa;
  return std::nullopt;
}

}  // namespace rooftop
