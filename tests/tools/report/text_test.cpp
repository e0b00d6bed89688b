#include "tools/report/text.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tools/report/units.h"

namespace rooftop {
namespace {

TEST(CleanText, KeepsWhatIsReadable) {
  EXPECT_EQ(clean_text("llama-7b µs × 模型 🙂"), "llama-7b µs × 模型 🙂");
}

TEST(CleanText, RemovesWhatMovesACursorOrReversesTheReadingDirection) {
  EXPECT_EQ(clean_text("a\x1b[31mb\r\n\tc"), "a [31mb   c");
  EXPECT_EQ(clean_text("a\xe2\x80\xae"
                       "b\xc2\x9b"
                       "c"),
            "a b c");  // U+202E, C1 CSI
  EXPECT_EQ(clean_text(std::string_view("a\0b", 3)), "a b");
}

TEST(CleanText, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(clean_text("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(clean_text("\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd");          // overlong
  EXPECT_EQ(clean_text("\xed\xa0\x80").find('\xa0'), std::string::npos);  // surrogate
  EXPECT_EQ(clean_text("ab\xe2\x82"), "ab\xef\xbf\xbd\xef\xbf\xbd");      // cut
  EXPECT_EQ(clean_text("é模", false), "??");
}

TEST(CleanText, IsStableOnRandomBytes) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> byte(0, 255), length(0, 40);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(static_cast<std::size_t>(length(random)), ' ');
    for (char& c : bytes) c = static_cast<char>(byte(random));
    const std::string clean = clean_text(bytes);
    EXPECT_EQ(clean_text(clean), clean);
    for (const char c : clean) EXPECT_FALSE(c >= 0 && c < ' ') << "control character";
    const std::string ascii = clean_text(bytes, false);
    EXPECT_EQ(display_width(ascii), static_cast<int>(ascii.size()));
    for (int width = 0; width < 12; ++width) {
      EXPECT_LE(display_width(fit_text(clean, width)), width);
      EXPECT_EQ(clean_text(fit_text(clean, width)), fit_text(clean, width)) << "cut in a character";
    }
    for (const std::string& line : wrap_text(clean, 9)) EXPECT_LE(display_width(line), 9);
  }
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("模型"), 4);
  EXPECT_EQ(display_width("e\xcc\x81"), 1);  // e with a combining acute
}

TEST(WrapText, KeepsEveryWord) {
  const auto lines = wrap_text("one two  three four", 9);
  EXPECT_EQ(lines, (std::vector<std::string>{"one two", "three", "four"}));
  EXPECT_EQ(wrap_text("it is 6.2 % of all", 9),
            (std::vector<std::string>{"it is", "6.2 % of", "all"}));
  EXPECT_EQ(wrap_text("a %", 9), (std::vector<std::string>{"a %"}));
  EXPECT_EQ(wrap_text("abcdefgh", 3), (std::vector<std::string>{"abc", "def", "gh"}));
  EXPECT_TRUE(wrap_text("", 10).empty());
}

TEST(EscapeHtml, EscapesWhatMarkupKnows) {
  EXPECT_EQ(escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

TEST(Units, ThreeSignificantDigitsWithPrefix) {
  EXPECT_EQ(human_number(1.61e9, "FLOP"), "1.61 GFLOP");
  EXPECT_EQ(human_number(101e6, "B"), "101 MB");
  EXPECT_EQ(human_number(999.6, ""), "1.00 k");
  EXPECT_EQ(human_number(9.996, ""), "10.0");
  EXPECT_EQ(human_number(0, "FLOP"), "0 FLOP");
  EXPECT_EQ(human_number(0.0123, ""), "0.0123");
  EXPECT_EQ(human_number(1.0 / 0.0, "B"), "?");
  EXPECT_EQ(human_ratio(15.94), "15.9");
  EXPECT_EQ(human_count(28800), "28,800");
  EXPECT_EQ(human_count(999), "999");
}

TEST(Units, Times) {
  EXPECT_EQ(human_time(0.0123), "12.3 ms");
  EXPECT_EQ(human_time(1.5e-6), "1.50 µs");
  EXPECT_EQ(human_time(1.5e-6, false), "1.50 us");
  EXPECT_EQ(human_time(0.9996), "1.00 s");
  EXPECT_EQ(human_time(81e-9), "81.0 ns");
  EXPECT_EQ(human_time(208), "208 s");
}

TEST(Units, PercentNeverRoundsSomethingToNothing) {
  EXPECT_EQ(human_percent(0.413), "41.3 %");
  EXPECT_EQ(human_percent(0.0004), "<0.1 %");
  EXPECT_EQ(human_percent(0), "0 %");
}

// What is printed is within half a unit of its third digit, whatever the size.
TEST(Units, AreAccurateOverAllSizes) {
  static const std::string kPrefixes = " kMGTPE";
  std::mt19937 random(11);
  std::uniform_real_distribution<double> exponent(0, 20);
  for (int i = 0; i < 5000; ++i) {
    const double value = std::pow(10.0, exponent(random));
    const std::string text = human_number(value, "X");
    const std::size_t space = text.find(' ');
    const std::size_t prefix = text.size() - space == 2 ? 0 : kPrefixes.find(text[space + 1]);
    const double shown = std::stod(text.substr(0, space)) * std::pow(1000.0, prefix);
    EXPECT_NEAR(shown / value, 1, 0.00501) << text;
    EXPECT_LE(text.size(), 7U) << text;
  }
}

}  // namespace
}  // namespace rooftop
