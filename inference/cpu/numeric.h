// 16-bit floating-point storage types and their scalar conversions; rounding is to nearest even.
// Every function is always inlined: this header is also included by files that are compiled for a
// newer instruction set, whose out-of-line copies must never be linked into other files.
#pragma once

#include <cstdint>

#define ROOFTOP_INLINE [[gnu::always_inline]] inline

namespace rooftop::inference::cpu {

struct BF16 {  // 1 sign, 8 exponent, 7 mantissa bits: the upper half of a float
  std::uint16_t bits;
};
struct F16 {  // 1 sign, 5 exponent, 10 mantissa bits: IEEE 754 binary16
  std::uint16_t bits;
};

ROOFTOP_INLINE std::uint32_t bits_of(float value) {
  return __builtin_bit_cast(std::uint32_t, value);
}
ROOFTOP_INLINE float from_bits(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

ROOFTOP_INLINE float to_float(float value) { return value; }
ROOFTOP_INLINE float to_float(BF16 value) { return from_bits(std::uint32_t{value.bits} << 16); }

ROOFTOP_INLINE float to_float(F16 value) {
  const std::uint32_t sign = (value.bits & 0x8000U) << 16;
  const std::uint32_t magnitude = value.bits & 0x7FFFU;
  if (magnitude >= 0x7C00U) {  // infinity, NaN
    return from_bits(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13));
  }
  if (magnitude < 0x400U) {  // zero, subnormal: a multiple of 2^-24
    const float scaled = static_cast<float>(magnitude) * 0x1p-24F;
    return sign != 0 ? -scaled : scaled;
  }
  return from_bits(sign | ((magnitude << 13) + (112U << 23)));  // exponent bias 15 -> 127
}

ROOFTOP_INLINE void from_float(float value, float* out) { *out = value; }

ROOFTOP_INLINE void from_float(float value, BF16* out) {
  const std::uint32_t u = bits_of(value);
  if ((u & 0x7FFFFFFFU) > 0x7F800000U) {  // rounding could turn a NaN into infinity
    out->bits = static_cast<std::uint16_t>((u >> 16) | 0x40U);
    return;
  }
  out->bits = static_cast<std::uint16_t>((u + 0x7FFFU + ((u >> 16) & 1U)) >> 16);
}

ROOFTOP_INLINE void from_float(float value, F16* out) {
  const std::uint32_t u = bits_of(value);
  const std::uint32_t sign = (u >> 16) & 0x8000U;
  const std::uint32_t magnitude = u & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000U) {
    half = 0x7E00U | ((magnitude >> 13) & 0x3FFU);  // NaN, quiet
  } else if (magnitude >= 0x477FF000U) {
    half = 0x7C00U;  // 65520 and above round to infinity
  } else if (magnitude < 0x38800000U) {
    // Below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the lowest mantissa bits.
    half = bits_of(from_bits(magnitude) + 0.5F) - 0x3F000000U;
  } else {
    half = (magnitude - (112U << 23) + 0xFFFU + ((magnitude >> 13) & 1U)) >> 13;
  }
  out->bits = static_cast<std::uint16_t>(sign | half);
}

}  // namespace rooftop::inference::cpu
