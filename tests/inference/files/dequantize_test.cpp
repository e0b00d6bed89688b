#include "inference/files/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace rooftop::inference {
namespace {

std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> out(count);
  for (std::byte& b : out) b = static_cast<std::byte>(random());
  return out;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(a[i]), std::bit_cast<std::uint32_t>(b[i])) << i;
  }
}

// Every half there is, by the definition of binary16.
TEST(Dequantize, HalfIsExact) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const int mantissa = static_cast<int>(bits & 1023);
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    const auto half = static_cast<std::uint16_t>(bits);
    std::byte in[2];
    std::memcpy(in, &half, 2);
    float out = 0;
    to_float_portable(Encoding::kF16, in, 1, &out);
    if (exponent == 31) {
      EXPECT_TRUE(mantissa == 0 ? std::isinf(out) : std::isnan(out)) << bits;
      continue;
    }
    const double wanted =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(out, sign * wanted) << bits;
    EXPECT_EQ(std::signbit(out), sign < 0) << bits;
  }
}

class Encodings : public testing::TestWithParam<Encoding> {};

// The fast way equals the portable way bit by bit, NaN payloads and tails included, at any address.
TEST_P(Encodings, FastEqualsPortable) {
  const Encoding encoding = GetParam();
  for (const std::int64_t blocks : {1, 2, 7, 64, 333}) {
    const std::int64_t values = blocks * facts(encoding).block_values;
    const auto size = static_cast<std::size_t>(encoded_bytes(encoding, values));
    const auto bytes = random_bytes(size + 3, static_cast<unsigned>(blocks));
    for (std::size_t shift = 0; shift < 3; ++shift) {
      std::vector<float> fast(static_cast<std::size_t>(values));
      std::vector<float> portable(fast.size());
      to_float(encoding, bytes.data() + shift, values, fast.data());
      to_float_portable(encoding, bytes.data() + shift, values, portable.data());
      expect_same_bits(fast, portable);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Encodings,
                         testing::Values(Encoding::kF32, Encoding::kF16, Encoding::kBF16,
                                         Encoding::kQ8_0, Encoding::kQ4_1),
                         [](const auto& e) { return std::string(facts(e.param).name); });

TEST(Dequantize, EveryHalfIsTheSameFastAndPortable) {
  std::vector<std::uint16_t> halves(0x10000);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> fast(halves.size());
  std::vector<float> portable(halves.size());
  const auto* in = reinterpret_cast<const std::byte*>(halves.data());
  to_float(Encoding::kF16, in, 0x10000, fast.data());
  to_float_portable(Encoding::kF16, in, 0x10000, portable.data());
  expect_same_bits(fast, portable);
}

TEST(Dequantize, BlocksAreAsTheFormatSays) {
  std::byte q8[34] = {std::byte{0x00}, std::byte{0x38}};  // d = 0.5
  q8[2] = std::byte{0x80};                                // -128
  q8[33] = std::byte{0x7f};
  float out[32];
  to_float(Encoding::kQ8_0, q8, 32, out);
  EXPECT_EQ(out[0], -64.0f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[31], 63.5f);

  std::byte q4[20] = {std::byte{0x00}, std::byte{0x38}, std::byte{0x00}, std::byte{0xbc}};
  q4[4] = std::byte{0xf1};   // elements 0 and 16; m = -1
  q4[19] = std::byte{0x2e};  // elements 15 and 31
  to_float(Encoding::kQ4_1, q4, 32, out);
  EXPECT_EQ(out[0], -0.5f);
  EXPECT_EQ(out[16], 6.5f);
  EXPECT_EQ(out[15], 6.0f);
  EXPECT_EQ(out[31], 0.0f);
  EXPECT_EQ(out[1], -1.0f);
}

}  // namespace
}  // namespace rooftop::inference
