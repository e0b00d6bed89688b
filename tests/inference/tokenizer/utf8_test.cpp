#include "inference/tokenizer/utf8.h"

#include <gtest/gtest.h>

#include <set>

#include "inference/tokenizer/byte_level.h"

namespace rooftop::inference {
namespace {

TEST(Utf8, TakesEveryCodePointAndNoSurrogate) {
  for (char32_t code = 0; code <= 0x110fff; code += code < 0x3000 ? 1 : 61) {
    std::string text;
    append_utf8(code, text);
    const Utf8Step step = utf8_step(text);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    ASSERT_EQ(step.valid, !surrogate && code <= 0x10ffff) << static_cast<std::uint32_t>(code);
    if (!step.valid) continue;
    EXPECT_EQ(step.length, text.size());
    EXPECT_EQ(utf8_code_point(text), code);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      EXPECT_TRUE(utf8_step(std::string_view(text).substr(0, cut)).unfinished);
    }
  }
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11: what becomes how many U+FFFD.
TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string bad = "\xef\xbf\xbd";
  const auto replaced = [](std::string bytes) { return take_utf8(bytes, true); };
  const auto times = [&](int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += bad;
    return out;
  };
  EXPECT_EQ(replaced("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), times(8) + "A");
  EXPECT_EQ(replaced("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), times(8) + "A");
  EXPECT_EQ(replaced("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"), times(5) + "A" + times(2) + "B");
  EXPECT_EQ(replaced("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), times(4) + "A");
}

TEST(Utf8, KeepsTheUnfinishedEnd) {
  std::string bytes = "ab\xe2\x82";
  EXPECT_EQ(take_utf8(bytes, false), "ab");
  EXPECT_EQ(bytes, "\xe2\x82");
  bytes += "\xac!";
  EXPECT_EQ(take_utf8(bytes, false), "\xe2\x82\xac!");
  EXPECT_EQ(bytes, "");
}

TEST(ByteLevel, IsABijectionWithGpt2sCharacters) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string& character = byte_level_alphabet()[static_cast<std::size_t>(byte)];
    EXPECT_TRUE(seen.insert(character).second);
    EXPECT_EQ(bytes_of_byte_level(character), std::string(1, static_cast<char>(byte)));
  }
  // As printed by openai/gpt-2's bytes_to_unicode().
  EXPECT_EQ(byte_level_alphabet()[' '], "\u0120");
  EXPECT_EQ(byte_level_alphabet()['\n'], "\u010a");
  EXPECT_EQ(byte_level_alphabet()[0x7f], "\u0121");
  EXPECT_EQ(byte_level_alphabet()[0xad], "\u0143");
  EXPECT_EQ(byte_level_alphabet()['A'], "A");
  EXPECT_EQ(bytes_of_byte_level("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_byte_level("\u0144"), std::nullopt);
  EXPECT_EQ(bytes_of_byte_level("\xff"), std::nullopt);
}

}  // namespace
}  // namespace rooftop::inference
