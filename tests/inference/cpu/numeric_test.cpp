// 16-bit storage: every bit pattern, every rounding case, and all instruction sets alike.
#include "inference/cpu/numeric.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/inference/cpu/reference.h"

namespace rooftop::inference::cpu {
namespace {

template <typename T>
std::uint16_t narrow_bits(float value) {
  T out;
  from_float(value, &out);
  return out.bits;
}

// Floats at and around every rounding boundary of 16-bit types, and special ones.
std::vector<float> interesting() {
  std::vector<float> out;
  for (std::uint32_t high = 0; high < 0x10000; high += 7) {
    for (const std::uint32_t low :
         {0U, 1U, 0xFFFU, 0x1000U, 0x1001U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
      out.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  for (const float f : {65503.99F, 65504.0F, 65519.99F, 65520.0F, 65536.0F, 0x1p-24F, 0x1p-25F,
                        0x1.000002p-25F, 0x1.8p-24F, 6.0975552e-05F, 6.1035156e-05F}) {
    out.push_back(f);
    out.push_back(-f);
  }
  return out;
}

TEST(Numeric, EveryF16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float wide = to_float(F16{static_cast<std::uint16_t>(bits)});
    const std::uint16_t back = narrow_bits<F16>(wide);
    if (std::isnan(wide)) {
      EXPECT_GT(back & 0x7FFF, 0x7C00);
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(Numeric, RoundsToNearestEvenByDefinition) {
  for (const float f : interesting()) {
    if (!std::isfinite(f)) continue;
    ASSERT_EQ(to_float(F16{narrow_bits<F16>(f)}), rounded(f, DType::kF16)) << f;
    const double bf16 = rounded(f, DType::kBF16);
    if (std::fabs(bf16) < 0x1p128) {
      ASSERT_EQ(to_float(BF16{narrow_bits<BF16>(f)}), bf16) << f;
    }
  }
  EXPECT_TRUE(std::isinf(to_float(BF16{narrow_bits<BF16>(3.4e38F)})));
  EXPECT_TRUE(std::isnan(to_float(BF16{narrow_bits<BF16>(std::bit_cast<float>(0x7F800001U))})));
  EXPECT_TRUE(std::isnan(to_float(F16{narrow_bits<F16>(std::bit_cast<float>(0x7F800001U))})));
}

TEST(Numeric, AllInstructionSetsConvertAlike) {
  const std::vector<float> in = interesting();
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const auto& portable = kernels_for(Isa::kPortable).of(dtype);
    const auto size = static_cast<std::size_t>(bytes_of(dtype));
    // An odd count, so that every tail is used.
    const auto count = static_cast<std::int64_t>(in.size() | 1) - 2;
    std::vector<std::byte> expected(in.size() * size);
    portable.narrow(in.data(), expected.data(), count);
    for (const Isa isa : usable_isas()) {
      const auto& kernels = kernels_for(isa).of(dtype);
      std::vector<std::byte> narrow(in.size() * size);
      kernels.narrow(in.data(), narrow.data(), count);
      std::vector<float> wide(in.size());
      std::vector<float> expected_wide(in.size());
      kernels.widen(expected.data(), wide.data(), count);
      portable.widen(expected.data(), expected_wide.data(), count);
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        if (std::isnan(in[i])) {
          EXPECT_TRUE(std::isnan(wide[i]));
          continue;
        }
        ASSERT_EQ(std::memcmp(&narrow[i * size], &expected[i * size], size), 0)
            << kernels_for(isa).name << " " << name_of(dtype) << " " << in[i];
        ASSERT_EQ(wide[i], expected_wide[i]);
      }
    }
  }
}

}  // namespace
}  // namespace rooftop::inference::cpu
