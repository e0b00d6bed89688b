// Stored number formats and their conversion to float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rooftop::inference {

// Q8_0: blocks of 32, {f16 d, int8 q[32]}, x = d * q.
// Q4_1: blocks of 32, {f16 d, f16 m, 4-bit q[32]}, x = d * q + m; byte i holds element i in its low
// half and element i + 16 in its high half. (ggml's ggml-common.h)
enum class Encoding : std::uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_1 };

struct EncodingFacts {
  std::string_view name;      // as in Config::checkpoint_dtype
  std::int64_t block_values;  // a row is a whole number of blocks
  std::int64_t block_bytes;
};
EncodingFacts facts(Encoding encoding);

// Bytes of `values` values, a whole number of blocks.
std::int64_t encoded_bytes(Encoding encoding, std::int64_t values);

// Converts `values` values (a whole number of blocks) from `in`, which need not be aligned.
// Uses AVX2 and F16C where the CPU has them; both ways give the same bits.
void to_float(Encoding encoding, const std::byte* in, std::int64_t values, float* out);

// The portable way, for CPUs without AVX2 and as a reference in tests.
void to_float_portable(Encoding encoding, const std::byte* in, std::int64_t values, float* out);

}  // namespace rooftop::inference
