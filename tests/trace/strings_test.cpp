// The string table: one id a text, always valid UTF-8, bounded.
#include <utility>

#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

class Strings : public TraceTest {};

TEST_F(Strings, SameTextSameId) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  EXPECT_EQ(writer.intern(""), 0U);
  EXPECT_EQ(writer.intern("a"), 1U);
  EXPECT_EQ(writer.intern("b"), 2U);
  EXPECT_EQ(writer.intern("a"), 1U);
  ASSERT_TRUE(writer.flush().ok());
  EXPECT_EQ(writer.intern("b"), 2U);
  EXPECT_EQ(writer.intern("c"), 3U);
  ASSERT_TRUE(writer.finish().ok());

  Reader reader(path());
  (void)read_from(reader);
  EXPECT_EQ(reader.string(0), "");
  EXPECT_EQ(reader.string(1), "a");
  EXPECT_EQ(reader.string(2), "b");
  EXPECT_EQ(reader.string(3), "c");
  EXPECT_EQ(reader.string(4), "");
  EXPECT_EQ(reader.string(4'000'000'000U), "");
}

// Every id of a chunk is known when the chunk arrives, and views stay good while the table grows.
TEST_F(Strings, KnownBeforeTheirRecords) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (int i = 0; i < 40000; ++i) {
    KernelRecord k;
    k.name = writer.intern("kernel number " + std::to_string(i));
    ASSERT_TRUE(writer.add(k).ok());
  }
  ASSERT_TRUE(writer.finish().ok());

  struct Names : Visitor {
    Reader* reader = nullptr;
    std::vector<std::string_view> names;
    void kernels(std::span<const KernelRecord> records) override {
      for (const auto& k : records) names.push_back(reader->string(k.name));
    }
  } names;
  Reader reader(path());
  names.reader = &reader;
  reader.read(names);
  ASSERT_EQ(names.names.size(), 40000U);
  for (int i = 0; i < 40000; ++i) {
    ASSERT_EQ(names.names[static_cast<std::size_t>(i)], "kernel number " + std::to_string(i));
  }
}

TEST_F(Strings, InvalidUtf8IsReplaced) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"caf\xe9", "caf\xef\xbf\xbd"},                                              // Latin-1
      {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                                    // overlong
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                    // surrogate
      {"\xf4\x90\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},  // too large
      {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                                    // cut off
      {std::string("a\0b", 3), std::string("a\0b", 3)}};
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (const auto& [given, expected] : cases) writer.intern(given);
  ASSERT_TRUE(writer.finish().ok());
  Reader reader(path());
  (void)read_from(reader);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(reader.string(static_cast<StringId>(i + 1)), cases[i].second) << i;
  }
}

TEST_F(Strings, VeryLongTextIsCut) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  const StringId cut = writer.intern(std::string(65535, 'x') + "\xe2\x82\xac tail");
  const StringId fits = writer.intern(std::string(65536, 'y'));
  ASSERT_TRUE(writer.finish().ok());
  Reader reader(path());
  (void)read_from(reader);
  EXPECT_EQ(reader.string(fits), std::string(65536, 'y'));
  EXPECT_EQ(reader.string(cut).substr(0, 65535), std::string(65535, 'x'));
  EXPECT_LE(reader.string(cut).size(), 65536U);
}

// A host that makes a new name for every range must not eat memory without end.
TEST_F(Strings, TableIsBounded) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  const std::string filler(60000, 'x');
  StringId last = 0;
  StringId id = 0;
  int made = 0;
  for (; made < 3000 && (made < 2 || id != last); ++made) {
    last = id;
    id = writer.intern(filler + std::to_string(made));
  }
  EXPECT_LT(made, 1200);  // 64 MiB
  EXPECT_EQ(writer.intern("one more"), id);
  EXPECT_EQ(writer.intern(filler + "0"), 1U);
  KernelRecord k;
  k.name = id;
  ASSERT_TRUE(writer.add(k).ok());
  ASSERT_TRUE(writer.finish().ok());
  Reader reader(path());
  const Result result = read_from(reader);
  EXPECT_EQ(reader.string(result.records.kernels.at(0).name), "(more names than a trace holds)");
}

}  // namespace
}  // namespace rooftop::trace
