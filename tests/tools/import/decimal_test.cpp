#include "tools/import/decimal.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace rooftop::import {
namespace {

TEST(Decimal, MicrosecondsBecomeExactNanoseconds) {
  EXPECT_EQ(ns_of_us("0"), 0);
  EXPECT_EQ(ns_of_us("1428625746277.044"), 1428625746277044);
  EXPECT_EQ(ns_of_us("1751410836000000.001"), 1751410836000000001) << "a double rounds this to 0";
  EXPECT_EQ(ns_of_us("18.112"), 18112);
  EXPECT_EQ(ns_of_us("0.5"), 500);
  EXPECT_EQ(ns_of_us("-0.001"), -1);
  EXPECT_EQ(ns_of_us("1.4286257462770440e12"), 1428625746277044);
  EXPECT_EQ(ns_of_us("14E+2"), 1400000);
  EXPECT_EQ(ns_of_us("1200e-2"), 12000);
}

TEST(Decimal, RoundsHalfAwayFromZero) {
  EXPECT_EQ(ns_of_us("0.0004"), 0);
  EXPECT_EQ(ns_of_us("0.0005"), 1);
  EXPECT_EQ(ns_of_us("-0.0005"), -1);
  EXPECT_EQ(ns_of_us("0.0019999999999999999999999999"), 2);
}

TEST(Decimal, RefusesWhatIsNoNumberOrTooFar) {
  for (const char* text : {"", "-", "+1", "abc", "1x", "1.2.3", "e5", "1e", "1e99999999999", "NaN",
                           "Infinity", "4000000000000000.001", "1e300", "99999999999999999999"}) {
    EXPECT_FALSE(ns_of_us(text)) << text;
  }
  EXPECT_EQ(ns_of_us("4000000000000000"), 4'000'000'000'000'000'000);
  EXPECT_EQ(scaled_decimal("1e-400", 3), 0);
}

TEST(Decimal, AgreesWithIntegerArithmetic) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto ns = static_cast<std::int64_t>(random() % 3'000'000'000'000'000'000);
    std::string fraction = std::to_string(ns % 1000);
    fraction.insert(0, 3 - fraction.size(), '0');
    EXPECT_EQ(ns_of_us(std::to_string(ns / 1000) + '.' + fraction), ns);
  }
}

}  // namespace
}  // namespace rooftop::import
