#include "tools/import/byte_stream.h"

#include "tests/tools/import/imported.h"

namespace rooftop::import::testing {
namespace {

std::string all_of(ByteStream& stream, std::size_t step) {
  std::string out;
  std::vector<char> part(step);
  for (std::size_t n = 0; (n = stream.read(part)) > 0;) out.append(part.data(), n);
  return out;
}

std::unique_ptr<ByteStream> unpacking(std::string_view bytes) {
  return unpacked(std::make_unique<MemoryStream>(bytes));
}

TEST(ByteStream, UnpacksInStepsOfAnySize) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919 % 65536);
  const std::string packed = gzip(text);
  for (const std::size_t step : {1UL, 7UL, 4096UL, 1UL << 20}) {
    const auto stream = unpacking(packed);
    EXPECT_EQ(all_of(*stream, step), text);
    EXPECT_FALSE(stream->cut_short());
    stream->rewind();
    EXPECT_EQ(all_of(*stream, 4096), text) << "again from the beginning";
  }
}

TEST(ByteStream, ReadsMembersOneBehindTheOtherAndPadding) {
  const std::string packed = gzip("one ") + gzip("two") + std::string(512, '\0');
  const auto stream = unpacking(packed);
  EXPECT_EQ(all_of(*stream, 64), "one two");
  EXPECT_FALSE(stream->cut_short());
}

TEST(ByteStream, SaysThatPackedDataBreakOffOrAreDamaged) {
  std::string text(100'000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i * i % 23);
  const std::string packed = gzip(text);
  const auto torn = unpacking(std::string_view(packed).substr(0, packed.size() / 2));
  EXPECT_EQ(text.compare(0, 10, all_of(*torn, 1000), 0, 10), 0);
  EXPECT_TRUE(torn->cut_short());

  std::string damaged = packed;
  damaged[packed.size() / 2] = static_cast<char>(~damaged[packed.size() / 2]);
  const auto stream = unpacking(damaged);
  all_of(*stream, 1000);
  EXPECT_TRUE(stream->cut_short()) << "the checksum at least is wrong";
}

TEST(ByteStream, HeadLeavesTheStreamAtItsBeginning) {
  MemoryStream stream("abcdef");
  EXPECT_EQ(head_of(stream, 3), "abc");
  EXPECT_EQ(head_of(stream, 100), "abcdef");
  EXPECT_EQ(all_of(stream, 4), "abcdef");
}

}  // namespace
}  // namespace rooftop::import::testing
