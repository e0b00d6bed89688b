#include "tools/import/metric_values.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace rooftop::import {
namespace {

char sign_of(const std::vector<std::string>& numbers) {
  NumberStyle style;
  for (const std::string& text : numbers) style.observe(text);
  EXPECT_FALSE(style.contradictory());
  return style.decimal_sign();
}

TEST(NumberStyle, IsFoundFromNumbersThatLeaveNoChoice) {
  EXPECT_EQ(sign_of({"3,670,272", "4,020"}), '.');
  EXPECT_EQ(sign_of({"3.670.272", "4.020"}), ',');
  EXPECT_EQ(sign_of({"1,018,649,466.07"}), '.');
  EXPECT_EQ(sign_of({"1.018.649.466,07"}), ',');
  EXPECT_EQ(sign_of({"53,48"}), ',');
  EXPECT_EQ(sign_of({"53.48"}), '.');
  EXPECT_EQ(sign_of({"0,125"}), ',') << "a group does not begin with 0";
  EXPECT_EQ(sign_of({"1234,567"}), ',') << "a group has at most three digits before it";
}

TEST(NumberStyle, IsAPointWhereNothingTells) {
  EXPECT_EQ(sign_of({}), '.');
  EXPECT_EQ(sign_of({"4.020", "17", "n/a", "cudaFuncCachePreferNone", "1.2.3.4"}), '.');
}

TEST(NumberStyle, SeesContradictions) {
  NumberStyle style;
  style.observe("53,48");
  EXPECT_FALSE(style.contradictory());
  style.observe("53.48");
  EXPECT_TRUE(style.contradictory());
}

TEST(MetricNumber, ReadsGroupsInEveryLanguage) {
  EXPECT_EQ(metric_number("3,670,272", '.'), 3670272);
  EXPECT_EQ(metric_number("1.234,5", ','), 1234.5);
  EXPECT_EQ(metric_number("1 234 567,5", ','), 1234567.5);
  EXPECT_EQ(metric_number("1\xc2\xa0"
                          "234,5",
                          ','),
            1234.5)
      << "a no-break space";
  EXPECT_EQ(metric_number("1\xe2\x80\xaf"
                          "234,5",
                          ','),
            1234.5)
      << "a narrow one";
  EXPECT_EQ(metric_number("1'234.5", '.'), 1234.5);
  EXPECT_EQ(metric_number(" 12 ", '.'), 12);
  EXPECT_EQ(metric_number("1.5e+06", '.'), 1.5e6);
}

TEST(MetricNumber, RefusesWhatIsNone) {
  for (const char* text : {"", "n/a", "nan", "inf", "-", "12 MB", "1.2.3", "0x10", "(1, 2)"}) {
    EXPECT_FALSE(metric_number(text, '.')) << text;
  }
  EXPECT_FALSE(metric_number(std::string(1000, '1'), '.'));
}

TEST(MetricNumber, GroupedNumbersComeBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = random() >> (random() % 40 + 12);
    std::string text = std::to_string(value);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
    EXPECT_EQ(metric_number(text, '.'), static_cast<double>(value)) << text;
  }
}

TEST(Units, AreThoseOfCupti) {
  const struct {
    const char* unit;
    double factor;
  } kUnits[] = {{"", 1},
                {"%", 1},
                {"byte", 1},
                {"Kbyte", 1e3},
                {"Mbyte", 1e6},
                {"Gbyte", 1e9},
                {"Tbyte", 1e12},
                {"KB", 1e3},
                {"nsecond", 1},
                {"usecond", 1e3},
                {"msecond", 1e6},
                {"second", 1e9},
                {"ns", 1},
                {"us", 1e3},
                {"ms", 1e6},
                {"s", 1e9},
                {"inst", 1},
                {"Kinst", 1e3},
                {"cycle", 1},
                {"byte/second", 1},
                {"Gbyte/second", 1e9},
                {"Gbyte/s", 1e9},
                {"cycle/second", 1},
                {"cycle/nsecond", 1e9},
                {"Ghz", 1e9},
                {"Kbyte/block", 1e3},
                {"byte/block", 1},
                {"register/thread", 1},
                {"inst/cycle", 1},
                {"warps", 1},
                {"bananas", 1}};
  for (const auto& [unit, factor] : kUnits) EXPECT_EQ(unit_factor(unit), factor) << unit;
}

TEST(Dimensions, AreReadInEverySpelling) {
  std::uint32_t out[3];
  const auto read = [&](const char* text) {
    return parse_dimensions(text, out) ? std::vector<std::uint32_t>(out, out + 3)
                                       : std::vector<std::uint32_t>();
  };
  using V = std::vector<std::uint32_t>;
  EXPECT_EQ(read("(128, 2, 3)"), (V{128, 2, 3}));
  EXPECT_EQ(read("128,2,3"), (V{128, 2, 3}));
  EXPECT_EQ(read("128x2x3"), (V{128, 2, 3}));
  EXPECT_EQ(read("128"), (V{128, 1, 1}));
  EXPECT_EQ(read(""), V());
  EXPECT_EQ(read("n/a"), V());
  EXPECT_EQ(read("(99999999999, 1, 1)"), V());
}

}  // namespace
}  // namespace rooftop::import
