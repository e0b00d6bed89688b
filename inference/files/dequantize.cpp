#include "inference/files/dequantize.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace rooftop::inference {
namespace {

constexpr std::int64_t kBlock = 32;
constexpr std::int64_t kQ80Bytes = 2 + 32;
constexpr std::int64_t kQ41Bytes = 2 + 2 + 16;

template <typename T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// IEEE 754 binary16 to binary32, exact; a NaN becomes quiet, as F16C does it.
float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1fu;
  const std::uint32_t mantissa = h & 0x3ffu;
  if (exponent == 0x1f) {
    const std::uint32_t quiet = mantissa != 0 ? 0x400000u : 0u;
    return std::bit_cast<float>(sign | 0x7f800000u | quiet | (mantissa << 13));
  }
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, which float holds exactly
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

void f16_portable(const std::byte* in, std::int64_t values, float* out) {
  for (std::int64_t i = 0; i < values; ++i) out[i] = half_to_float(load<std::uint16_t>(in + 2 * i));
}

void bf16_portable(const std::byte* in, std::int64_t values, float* out) {
  for (std::int64_t i = 0; i < values; ++i) {
    const std::uint32_t bits = static_cast<std::uint32_t>(load<std::uint16_t>(in + 2 * i)) << 16;
    out[i] = std::bit_cast<float>(bits);
  }
}

void q8_0_portable(const std::byte* in, std::int64_t values, float* out) {
  for (std::int64_t block = 0; block < values / kBlock; ++block, in += kQ80Bytes) {
    const float d = half_to_float(load<std::uint16_t>(in));
    for (std::int64_t i = 0; i < kBlock; ++i) {
      *out++ = d * static_cast<float>(load<std::int8_t>(in + 2 + i));
    }
  }
}

void q4_1_portable(const std::byte* in, std::int64_t values, float* out) {
  for (std::int64_t block = 0; block < values / kBlock; ++block, in += kQ41Bytes, out += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(in));
    const float m = half_to_float(load<std::uint16_t>(in + 2));
    for (std::int64_t i = 0; i < kBlock / 2; ++i) {
      const auto pair = load<std::uint8_t>(in + 4 + i);
      // Two roundings, never fused: the value is then the same on every machine.
      const float low = d * static_cast<float>(pair & 0xf);
      const float high = d * static_cast<float>(pair >> 4);
      out[i] = low + m;
      out[i + kBlock / 2] = high + m;
    }
  }
}

#if defined(__x86_64__)
#define ROOFTOP_AVX2 __attribute__((target("avx2,f16c")))

bool has_avx2_and_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  return (c & bit_F16C) != 0 && __builtin_cpu_supports("avx2");
}

ROOFTOP_AVX2 void f16_avx2(const std::byte* in, std::int64_t values, float* out) {
  const std::int64_t whole = values / 8 * 8;
  for (std::int64_t i = 0; i < whole; i += 8) {
    const auto half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
  f16_portable(in + 2 * whole, values - whole, out + whole);
}

ROOFTOP_AVX2 void bf16_avx2(const std::byte* in, std::int64_t values, float* out) {
  const std::int64_t whole = values / 8 * 8;
  for (std::int64_t i = 0; i < whole; i += 8) {
    const auto raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i));
    const auto bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16);
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(bits));
  }
  bf16_portable(in + 2 * whole, values - whole, out + whole);
}

ROOFTOP_AVX2 inline __m256 bytes_to_float(const std::byte* in) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(in))));
}

ROOFTOP_AVX2 void q8_0_avx2(const std::byte* in, std::int64_t values, float* out) {
  for (std::int64_t block = 0; block < values / kBlock; ++block, in += kQ80Bytes, out += kBlock) {
    const __m256 d = _mm256_set1_ps(_cvtsh_ss(load<std::uint16_t>(in)));
    for (std::int64_t i = 0; i < kBlock; i += 8) {
      _mm256_storeu_ps(out + i, _mm256_mul_ps(d, bytes_to_float(in + 2 + i)));
    }
  }
}

ROOFTOP_AVX2 void q4_1_avx2(const std::byte* in, std::int64_t values, float* out) {
  const __m128i mask = _mm_set1_epi8(0xf);
  for (std::int64_t block = 0; block < values / kBlock; ++block, in += kQ41Bytes, out += kBlock) {
    const __m256 d = _mm256_set1_ps(_cvtsh_ss(load<std::uint16_t>(in)));
    const __m256 m = _mm256_set1_ps(_cvtsh_ss(load<std::uint16_t>(in + 2)));
    const auto pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 4));
    const __m128i halves[2] = {_mm_and_si128(pairs, mask),
                               _mm_and_si128(_mm_srli_epi16(pairs, 4), mask)};
    for (std::int64_t i = 0; i < kBlock; i += 8) {
      const __m128i sixteen = halves[i / 16];
      const __m128i eight = i % 16 == 0 ? sixteen : _mm_srli_si128(sixteen, 8);
      const __m256 q = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
      _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_mul_ps(d, q), m));
    }
  }
}
#endif

}  // namespace

EncodingFacts facts(Encoding encoding) {
  switch (encoding) {
    case Encoding::kF32:
      return {"f32", 1, 4};
    case Encoding::kF16:
      return {"f16", 1, 2};
    case Encoding::kBF16:
      return {"bf16", 1, 2};
    case Encoding::kQ8_0:
      return {"q8_0", kBlock, kQ80Bytes};
    case Encoding::kQ4_1:
      return {"q4_1", kBlock, kQ41Bytes};
  }
  return {};
}

std::int64_t encoded_bytes(Encoding encoding, std::int64_t values) {
  const EncodingFacts f = facts(encoding);
  return values / f.block_values * f.block_bytes;
}

void to_float_portable(Encoding encoding, const std::byte* in, std::int64_t values, float* out) {
  switch (encoding) {
    case Encoding::kF32:
      std::memcpy(out, in, static_cast<std::size_t>(values) * sizeof(float));
      return;
    case Encoding::kF16:
      return f16_portable(in, values, out);
    case Encoding::kBF16:
      return bf16_portable(in, values, out);
    case Encoding::kQ8_0:
      return q8_0_portable(in, values, out);
    case Encoding::kQ4_1:
      return q4_1_portable(in, values, out);
  }
}

void to_float(Encoding encoding, const std::byte* in, std::int64_t values, float* out) {
#if defined(__x86_64__)
  static const bool fast = has_avx2_and_f16c();
  if (fast) {
    switch (encoding) {
      case Encoding::kF32:
        break;
      case Encoding::kF16:
        return f16_avx2(in, values, out);
      case Encoding::kBF16:
        return bf16_avx2(in, values, out);
      case Encoding::kQ8_0:
        return q8_0_avx2(in, values, out);
      case Encoding::kQ4_1:
        return q4_1_avx2(in, values, out);
    }
  }
#endif
  to_float_portable(encoding, in, values, out);
}

}  // namespace rooftop::inference
