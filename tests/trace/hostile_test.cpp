// Files made to hurt: every one gives one clear error (or a truncated trace), in little memory and
// time.
#include "tests/trace/memory_tracker.h"
#include "tests/trace/protobuf_testing.h"
#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;
using rooftop::testing::peak_bytes;
using rooftop::testing::reset_peak;
using rooftop::testing::tracks_memory;

constexpr std::size_t kMiB = std::size_t{1} << 20;

void expect_peak_below(std::size_t bytes) {
  if (tracks_memory()) {
    EXPECT_LT(peak_bytes(), bytes);
  }
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

TEST(NotATrace, AnythingElse) {
  const std::vector<std::string> files = {"",
                                          "\x0a",
                                          "hello, world",
                                          std::string(100, '\0'),
                                          std::string(100, '\x0a'),
                                          "{\"a\": 1}",
                                          "\x7f"
                                          "ELF\x02\x01\x01",
                                          "\x0a\x05hello",
                                          std::string("\x0a\x07\x0dRTRX\x10\x01", 9),
                                          "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                          "abcdef"};
  for (const std::string& bytes : files) {
    for (const bool salvage : {false, true}) {
      const std::string error = error_of(bytes, {.salvage = salvage});
      EXPECT_NE(error.find("not a Rooftop trace"), std::string::npos) << error << bytes;
    }
  }
}

TEST_F(TraceTest, PathsThatAreNotFiles) {
  EXPECT_THROW(Reader(path("missing.rtrace")), InputError);
  EXPECT_THROW(Reader(folder_.string()), InputError);
  try {
    Reader reader(folder_.string());
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("is a directory"), std::string::npos);
  }
  write_contents(path(), "");
  EXPECT_THROW((void)read_path(path()), InputError);
}

class HostileLengths : public TraceTest, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(HostileLengths, CostNothing) {
  write_small_trace(path(), 1, 1);
  const std::string good = file_contents(path());
  const std::string meta = good.substr(0, frame_offsets(good)[1]);
  // A second frame that claims to be large, in a tiny file.
  const std::string claim =
      meta + "\x0a" + varint(GetParam()) + std::string("\x0dRTRC\x10\x04\x18\x01", 9);
  write_contents(path(), claim);
  for (const bool salvage : {false, true}) {
    reset_peak();
    bool refused = false;
    try {
      EXPECT_TRUE(read_path(path(), {.salvage = salvage}).recovery.truncated);
    } catch (const InputError&) {
      refused = true;
    }
    // Up to the largest frame it may be the torn end of a good one; beyond, it is damage.
    EXPECT_EQ(refused, !salvage && GetParam() > 17 * kMiB);
    expect_peak_below(4 * kMiB);
  }
}

INSTANTIATE_TEST_SUITE_P(Lengths, HostileLengths,
                         ::testing::Values(1000, 16 * kMiB, 17 * kMiB + 1, std::uint64_t{1} << 31,
                                           (std::uint64_t{1} << 32) - 1, std::uint64_t{1} << 32,
                                           std::uint64_t{1} << 35, ~std::uint64_t{0}));

// Chunks that are whole and well checksummed, and wrong inside.
class HostileChunks : public TraceTest {
 protected:
  // What reading a KERNELS frame with this chunk says; "" where it is taken.
  static std::string error_for(const Chunk& chunk, std::uint32_t rows,
                               Frame::Kind kind = Frame::KERNELS) {
    Builder builder;
    StringTable strings;
    strings.set_first_id(1);
    strings.add_text("one");
    builder.add(Frame::STRINGS, 1, strings.SerializeAsString());
    builder.add(kind, rows, chunk.SerializeAsString());
    const std::string bytes = builder.bytes();
    const std::string error = error_of(bytes);
    const Result salvaged = read_bytes(bytes, {.salvage = true});
    EXPECT_EQ(salvaged.recovery.salvaged_frames, error.empty() ? 0U : 1U);
    EXPECT_EQ(salvaged.records.size(), error.empty() ? rows : 0U);
    return error;
  }
  static std::string error_for_values(std::uint32_t id, std::uint32_t width, std::uint64_t base,
                                      const std::vector<std::uint64_t>& data,
                                      Frame::Kind kind = Frame::KERNELS) {
    Chunk chunk;
    add_column(chunk, id, width, base, data);
    return error_for(chunk, static_cast<std::uint32_t>(data.size()), kind);
  }
};

TEST_F(HostileChunks, ValuesOutOfTheirMembersRange) {
  const std::string expected = "out of its range";
  constexpr std::uint64_t k32 = std::uint64_t{1} << 32;
  EXPECT_EQ(error_for_values(KERNEL_STREAM, 8, 0, {0, k32 - 1}), "");
  EXPECT_THAT(error_for_values(KERNEL_STREAM, 8, 0, {0, k32}), ::testing::HasSubstr(expected));
  EXPECT_THAT(error_for_values(KERNEL_STREAM, 4, 1, {0, k32 - 1}), ::testing::HasSubstr(expected));
  EXPECT_EQ(error_for_values(KERNEL_STREAM, 4, 1, {0, k32 - 2}), "");
  EXPECT_EQ(error_for_values(KERNEL_STREAM, 1, ~std::uint64_t{0}, {1, 9}), "");  // wraps to 0, 8
  EXPECT_THAT(error_for_values(KERNEL_STREAM, 1, ~std::uint64_t{0}, {0, 9}),
              ::testing::HasSubstr(expected));
  const auto signed_base = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
  constexpr std::int64_t kLow = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kHigh = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(error_for_values(SCOPE_LAYER, 4, signed_base(kLow), {0, k32 - 1}, Frame::SCOPES), "");
  EXPECT_THAT(error_for_values(SCOPE_LAYER, 1, signed_base(kLow - 1), {0, 1}, Frame::SCOPES),
              ::testing::HasSubstr(expected));
  EXPECT_THAT(error_for_values(SCOPE_LAYER, 1, signed_base(kHigh), {0, 1}, Frame::SCOPES),
              ::testing::HasSubstr(expected));

  Chunk delta;
  Column& column = add_column(delta, KERNEL_STREAM, 4, k32 - 3, {0, 1, 1, 1});
  column.set_coding(Column::DELTA);
  EXPECT_THAT(error_for(delta, 4), ::testing::HasSubstr(expected));
  Chunk ramp;  // out of range only in its last row
  Column& ramp_column = add_column(ramp, KERNEL_STREAM, 0, 0, {});
  ramp_column.set_coding(Column::DELTA);
  ramp_column.set_step(k32 / 1000);
  EXPECT_EQ(error_for(ramp, 1000), "");
  EXPECT_THAT(error_for(ramp, 1002), ::testing::HasSubstr(expected));
}

TEST_F(HostileChunks, StringIdsBeyondTheTable) {
  const std::string expected = "out of its range";
  EXPECT_EQ(error_for_values(KERNEL_NAME, 1, 0, {0, 1}), "");
  EXPECT_THAT(error_for_values(KERNEL_NAME, 1, 0, {0, 2}), ::testing::HasSubstr(expected));
  EXPECT_THAT(error_for_values(KERNEL_NAME, 0, 2, {0}), ::testing::HasSubstr(expected));
  EXPECT_THAT(error_for_values(DROP_SOURCE, 4, 0, {0, 0xffffffff}, Frame::DROPS),
              ::testing::HasSubstr(expected));
}

TEST_F(HostileChunks, ColumnsThatDoNotFit) {
  Chunk twice;
  add_column(twice, KERNEL_ID, 1, 0, {1});
  add_column(twice, KERNEL_ID, 1, 0, {2});
  EXPECT_THAT(error_for(twice, 1), ::testing::HasSubstr("column twice"));

  Chunk short_data;
  add_column(short_data, KERNEL_ID, 8, 0, {1, 2});
  EXPECT_THAT(error_for(short_data, 3), ::testing::HasSubstr("do not match its rows"));
  EXPECT_THAT(error_for(short_data, 1), ::testing::HasSubstr("do not match its rows"));

  for (const std::uint32_t width : {3U, 5U, 16U, 0x80000000U}) {
    Chunk chunk;
    add_column(chunk, KERNEL_ID, 1, 0, {1}).set_width(width);
    EXPECT_THAT(error_for(chunk, 1), ::testing::HasSubstr("impossible width")) << width;
  }
  Chunk coding;
  add_column(coding, KERNEL_ID, 1, 0, {1}).set_coding(static_cast<Column::Coding>(2));
  EXPECT_THAT(error_for(coding, 1), ::testing::HasSubstr("does not know"));
  Chunk doubles;
  add_column(doubles, KERNEL_ID, 8, 0, {1}).set_representation(Column::DOUBLE_BITS);
  EXPECT_THAT(error_for(doubles, 1), ::testing::HasSubstr("does not know"));
  Chunk integers;
  add_column(integers, COUNTER_VALUE, 8, 0, {1});
  EXPECT_THAT(error_for(integers, 1, Frame::COUNTERS), ::testing::HasSubstr("does not know"));

  Chunk many;
  for (std::uint32_t i = 0; i < 300; ++i) add_column(many, 1000 + i, 0, 0, {});
  EXPECT_THAT(error_for(many, 1), ::testing::HasSubstr("too many columns"));
}

TEST_F(HostileChunks, RowsThatNoDataStandBehind) {
  Chunk constant;
  add_column(constant, KERNEL_ID, 0, 7, {});
  EXPECT_EQ(error_for(constant, 65536), "");
  EXPECT_THAT(error_for(constant, 65537), ::testing::HasSubstr("too many rows"));
  EXPECT_THAT(error_for(constant, 0xffffffff), ::testing::HasSubstr("too many rows"));
}

TEST_F(HostileChunks, CompressionBombs) {
  const std::string zeros(64 * kMiB, '\0');
  std::string bomb(ZSTD_compressBound(zeros.size()), '\0');
  bomb.resize(ZSTD_compress(bomb.data(), bomb.size(), zeros.data(), zeros.size(), 19));
  ASSERT_LT(bomb.size(), 64U << 10);
  Chunk chunk;
  Column& column = add_column(chunk, KERNEL_ID, 8, 0, {});
  column.set_compression(Column::ZSTD);
  column.set_data(bomb);
  reset_peak();
  EXPECT_THAT(error_for(chunk, 16384), ::testing::HasSubstr("compressed data"));
  expect_peak_below(4 * kMiB);

  for (const char* const junk : {"", "not zstd at all"}) {
    column.set_data(junk);
    EXPECT_THAT(error_for(chunk, 16384), ::testing::HasSubstr("compressed data"));
  }
}

TEST_F(HostileChunks, PayloadsThatAreNoMessages) {
  for (const Frame::Kind kind :
       {Frame::META, Frame::STRINGS, Frame::SCOPES, Frame::DROPS, Frame::END}) {
    Builder builder;
    builder.add(kind, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    EXPECT_NE(error_of(builder.bytes()).find("not a well-formed message"), std::string::npos);
  }
}

std::string error_for_strings(std::uint32_t first_id, std::size_t count, std::size_t bytes,
                              std::uint32_t rows) {
  Builder builder;
  StringTable strings;
  strings.set_first_id(first_id);
  for (std::size_t i = 0; i < count; ++i) strings.add_text(std::string(bytes, 'x'));
  builder.add(Frame::STRINGS, rows, strings.SerializeAsString());
  return error_of(builder.bytes());
}

TEST(HostileStrings, TablesThatDoNotContinue) {
  EXPECT_EQ(error_for_strings(1, 2, 3, 2), "");
  EXPECT_THAT(error_for_strings(0, 2, 3, 2), ::testing::HasSubstr("does not continue"));
  EXPECT_THAT(error_for_strings(2, 2, 3, 2), ::testing::HasSubstr("does not continue"));
  EXPECT_THAT(error_for_strings(0xffffffff, 2, 3, 2), ::testing::HasSubstr("does not continue"));
  EXPECT_THAT(error_for_strings(1, 2, 3, 1), ::testing::HasSubstr("more strings than rows"));
  EXPECT_THAT(error_for_strings(1, 2, 3, 3), ::testing::HasSubstr("fewer strings than rows"));
  EXPECT_THAT(error_for_strings(1, 70000, 0, 70000), ::testing::HasSubstr("too many rows"));
}

TEST(HostileStrings, TablesThatNeverEnd) {
  Builder builder;
  for (std::uint32_t first = 1; first < 20 * 65536; first += 65536) {
    StringTable strings;
    strings.set_first_id(first);
    for (int i = 0; i < 65536; ++i) strings.add_text("");
    builder.add(Frame::STRINGS, 65536, strings.SerializeAsString());
  }
  const std::string bytes = builder.bytes();
  reset_peak();
  EXPECT_THAT(error_of(bytes), ::testing::HasSubstr("too many strings"));
  expect_peak_below(64 * kMiB);
}

TEST(HostileStrings, AGapInSalvageIsBounded) {
  Builder builder;
  builder.trace().mutable_frame(0)->set_sequence(0);
  builder.add(Frame::DROPS, 0, "").set_sequence(5);  // a gap: strings may be lost
  StringTable strings;
  strings.set_first_id(0xfffffff0);
  strings.add_text("far away");
  builder.add(Frame::STRINGS, 1, strings.SerializeAsString()).set_sequence(6);
  const std::string bytes = builder.bytes();
  reset_peak();
  EXPECT_GT(read_bytes(bytes, {.salvage = true}).recovery.salvaged_frames, 0U);
  expect_peak_below(4 * kMiB);
}

TEST(HostileTotals, AnEndThatPromisesMore) {
  Builder builder;
  TraceEnd end;
  end.set_kernels(5);
  builder.add(Frame::END, 0, end.SerializeAsString());
  EXPECT_THAT(error_of(builder.bytes()), ::testing::HasSubstr("totals"));
}

TEST(HostileMeta, ListsAreBounded) {
  Builder builder;
  TraceMeta meta;
  for (int i = 0; i < 70000; ++i) meta.add_devices();
  builder.add(Frame::META, 0, meta.SerializeAsString());
  EXPECT_THAT(error_of(builder.bytes()), ::testing::HasSubstr("too long"));
}

// Thousands of sham frames, each claiming most of the file: without a limit, hours of hashing.
TEST(HostileSearch, ShamFramesDoNotCostHours) {
  Builder builder;
  std::string bytes = builder.bytes();
  const std::string payload_claim = std::string("\x42") + varint(8 * kMiB - 20);
  const std::string sham =
      "\x0a" + varint(8 * kMiB) + std::string("\x0dRTRC\x10\x04", 7) + payload_claim;
  while (bytes.size() < 16 * kMiB) bytes += sham;
  const Result result = read_bytes(bytes, {.salvage = true});
  EXPECT_EQ(result.recovery.frames, 1U);
  EXPECT_GT(result.recovery.salvaged_bytes, 15 * kMiB);
}

}  // namespace
}  // namespace rooftop::trace
