// Files made with the generated protobuf classes, read by our reader.
#include "tests/trace/protobuf_testing.h"
#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

TEST(MadeWithProtobuf, OurReaderReadsWhatProtobufWrites) {
  Builder builder;
  StringTable strings;
  strings.set_first_id(1);
  strings.add_text("gemm");
  builder.add(Frame::STRINGS, 1, strings.SerializeAsString());
  Chunk chunk;
  add_column(chunk, KERNEL_DURATION, 2, 1000, {7, 8, 65535});  // before its BEGIN
  Column& begin = add_column(chunk, KERNEL_BEGIN, 1, 5'000'000, {0, 3, 4});
  begin.set_coding(Column::DELTA);
  begin.set_step(static_cast<std::uint64_t>(std::int64_t{-10}));
  add_column(chunk, KERNEL_NAME, 0, 1, {});
  add_column(chunk, KERNEL_GRID_Y, 8, ~std::uint64_t{0}, {5, 6, 7});  // wraps to 4, 5, 6
  Column& scope = add_column(chunk, KERNEL_SCOPE, 4, 0, {});
  const std::uint32_t scopes[] = {9, 8, 7};
  scope.mutable_data()->resize(ZSTD_compressBound(sizeof scopes));
  scope.mutable_data()->resize(
      ZSTD_compress(scope.mutable_data()->data(), scope.data().size(), scopes, sizeof scopes, 19));
  scope.set_compression(Column::ZSTD);
  builder.add(Frame::KERNELS, 3, chunk.SerializeAsString());
  TraceEnd end;
  end.set_strings(1);
  end.set_kernels(3);
  builder.add(Frame::END, 0, end.SerializeAsString());

  const std::string bytes = builder.bytes();
  Reader reader(std::as_bytes(std::span(bytes)));
  const Result result = read_from(reader);
  EXPECT_FALSE(result.recovery.truncated);
  EXPECT_EQ(result.meta.run, "built");
  EXPECT_EQ(result.meta.world_size, 1U);
  EXPECT_EQ(reader.string(1), "gemm");
  ASSERT_EQ(result.records.kernels.size(), 3U);
  const std::vector<std::int64_t> begins = {5'000'000, 4'999'993, 4'999'987};
  const std::vector<std::int64_t> durations = {1007, 1008, 66535};
  for (std::size_t i = 0; i < 3; ++i) {
    const KernelRecord& k = result.records.kernels[i];
    EXPECT_EQ(k.begin.ns, begins[i]);
    EXPECT_EQ((k.end - k.begin).ns, durations[i]);
    EXPECT_EQ(k.name, 1U);
    EXPECT_EQ(k.grid[1], 4 + i);
    EXPECT_EQ(k.scope, 9 - i);
    EXPECT_EQ(k.id, 0U);  // no column
  }
}

TEST(MadeWithProtobuf, MissingColumnsHoldDefaults) {
  Builder builder;
  builder.add(Frame::SCOPES, 2, Chunk().SerializeAsString());
  builder.add(Frame::COUNTERS, 1, Chunk().SerializeAsString());
  const Result result = read_bytes(builder.bytes());
  ASSERT_EQ(result.records.scopes.size(), 2U);
  EXPECT_EQ(result.records.scopes[1], ScopeRecord{});
  EXPECT_EQ(result.records.scopes[1].layer, -1);
  EXPECT_EQ(result.records.scopes[1].kind, ScopeKind::kForeign);
  EXPECT_EQ(result.records.counters.at(0).source, Provenance::kMeasured);
}

TEST(MadeWithProtobuf, UnknownEnumerationValuesBecomeUnknown) {
  Builder builder;
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{200}, ~std::uint64_t{0}}) {
    Chunk scopes;
    add_column(scopes, SCOPE_KIND, 0, value, {});
    add_column(scopes, SCOPE_OP, 0, value, {});
    add_column(scopes, SCOPE_PHASE, 0, value, {});
    builder.add(Frame::SCOPES, 1, scopes.SerializeAsString());
    Chunk counters;
    add_column(counters, COUNTER_SOURCE, 0, value, {});
    builder.add(Frame::COUNTERS, 1, counters.SerializeAsString());
    Chunk memcpys;
    add_column(memcpys, MEMCPY_KIND, 0, value, {});
    builder.add(Frame::MEMCPYS, 1, memcpys.SerializeAsString());
  }
  TraceMeta meta;
  meta.add_devices()->set_kind(static_cast<TraceMeta::Device::Kind>(77));
  meta.add_skipped()->set_phase(static_cast<TracePhase>(-1));
  builder.add(Frame::META, 0, meta.SerializeAsString());
  const Result result = read_bytes(builder.bytes());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(result.records.scopes.at(i).kind, ScopeKind::kForeign);
    EXPECT_EQ(result.records.scopes.at(i).op, Operator::kUnclassified);
    EXPECT_EQ(result.records.scopes.at(i).phase, Phase::kUnknown);
    EXPECT_EQ(result.records.counters.at(i).source, Provenance::kAbsent);
    EXPECT_EQ(result.records.memcpys.at(i).kind, MemcpyKind::kOther);
  }
  EXPECT_EQ(result.meta.devices.at(0).kind, DeviceKind::kUnknown);
  EXPECT_EQ(result.meta.skipped.at(0).phase, Phase::kUnknown);
}

TEST(MadeWithProtobuf, NewerMinorVersionsAndUnknownFieldsAreRead) {
  Builder builder;
  TraceMeta meta = Builder::meta(1, 7);
  meta.GetReflection()->MutableUnknownFields(&meta)->AddVarint(200, 5);
  builder.trace().mutable_frame(0)->set_payload(meta.SerializeAsString());
  Chunk chunk;
  add_column(chunk, KERNEL_ID, 1, 10, {0, 1});
  Column& column = add_column(chunk, 99, 3, 0, {});  // a later column, coded in a later way
  column.set_coding(static_cast<Column::Coding>(5));
  column.GetReflection()->MutableUnknownFields(&column)->AddLengthDelimited(30, "x");
  chunk.GetReflection()->MutableUnknownFields(&chunk)->AddFixed64(17, 1);
  Frame& frame = builder.add(Frame::KERNELS, 2, chunk.SerializeAsString());
  frame.GetReflection()->MutableUnknownFields(&frame)->AddLengthDelimited(300, "later");
  builder.add(static_cast<Frame::Kind>(42), 3, "a kind of frame that does not exist yet");
  const Result result = read_bytes(builder.bytes());
  ASSERT_EQ(result.records.kernels.size(), 2U);
  EXPECT_EQ(result.records.kernels[1].id, 11U);
  EXPECT_EQ(result.recovery.frames, 3U);
  ASSERT_GE(result.recovery.notes.size(), 1U);
  EXPECT_NE(result.recovery.notes[0].find("format 1.7"), std::string::npos);
}

TEST(MadeWithProtobuf, ANewerMajorVersionIsRefused) {
  Builder builder;
  builder.trace().mutable_frame(0)->set_payload(Builder::meta(2, 0).SerializeAsString());
  const std::string bytes = builder.bytes();
  for (const bool salvage : {false, true}) {
    const std::string error = error_of(bytes, {.salvage = salvage});
    EXPECT_NE(error.find("has format 2"), std::string::npos) << error;
    EXPECT_NE(error.find("newer Rooftop"), std::string::npos) << error;
  }
  // Also where its checksums mean something else.
  builder.trace().mutable_frame(0)->set_checksum(1);
  EXPECT_NE(error_of(builder.trace().SerializeAsString()).find("has format 2"), std::string::npos);
}

}  // namespace
}  // namespace rooftop::trace
