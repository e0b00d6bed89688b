// Files of ours, read with the generated protobuf classes.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "tests/trace/protobuf_testing.h"
#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

using Columns = std::map<std::uint32_t, std::vector<std::uint64_t>>;

// All rows of a kind, column by column, from every frame of a parsed trace.
Columns columns_of(const Trace& trace, Frame::Kind kind) {
  Columns out;
  for (const Frame& frame : trace.frame()) {
    if (frame.kind() != kind) continue;
    Chunk chunk;
    EXPECT_TRUE(chunk.ParseFromString(frame.payload()));
    for (const Column& column : chunk.column()) {
      const auto values = decode(column, frame.rows());
      out[column.id()].insert(out[column.id()].end(), values.begin(), values.end());
    }
  }
  return out;
}

class Protobuf : public TraceTest {
 protected:
  Trace parse(const std::string& bytes) {
    Trace trace;
    EXPECT_TRUE(trace.ParseFromString(bytes));
    return trace;
  }
};

TEST_F(Protobuf, ParsesWhatWeWrite) {
  const Records written = write_small_trace(path(), 700, 1);
  const Trace trace = parse(file_contents(path()));
  ASSERT_GT(trace.frame_size(), 14);
  std::uint64_t sequence = 0;
  for (const Frame& frame : trace.frame()) {
    EXPECT_EQ(frame.magic(), 0x43525452U);
    EXPECT_EQ(frame.sequence(), sequence++);
    EXPECT_EQ(frame.checksum(), schema_checksum(frame));
  }
  EXPECT_EQ(trace.frame(0).kind(), Frame::META);
  EXPECT_EQ(trace.frame(trace.frame_size() - 1).kind(), Frame::END);

  const Columns kernels = columns_of(trace, Frame::KERNELS);
  ASSERT_EQ(kernels.size(), 19U);
  ASSERT_EQ(kernels.at(KERNEL_ID).size(), written.kernels.size());
  for (std::size_t i = 0; i < written.kernels.size(); ++i) {
    const KernelRecord& k = written.kernels[i];
    const auto at = [&](KernelColumn column) { return kernels.at(column)[i]; };
    ASSERT_EQ(at(KERNEL_ID), k.id);
    ASSERT_EQ(at(KERNEL_DEVICE), k.device);
    ASSERT_EQ(at(KERNEL_STREAM), k.stream);
    ASSERT_EQ(static_cast<std::int64_t>(at(KERNEL_BEGIN)), k.begin.ns);
    ASSERT_EQ(static_cast<std::int64_t>(at(KERNEL_BEGIN) + at(KERNEL_DURATION)), k.end.ns);
    ASSERT_EQ(at(KERNEL_NAME), k.name);
    ASSERT_EQ(at(KERNEL_GRID_X), k.grid[0]);
    ASSERT_EQ(at(KERNEL_GRID_Y), k.grid[1]);
    ASSERT_EQ(at(KERNEL_GRID_Z), k.grid[2]);
    ASSERT_EQ(at(KERNEL_BLOCK_X), k.block[0]);
    ASSERT_EQ(at(KERNEL_BLOCK_Y), k.block[1]);
    ASSERT_EQ(at(KERNEL_BLOCK_Z), k.block[2]);
    ASSERT_EQ(at(KERNEL_DYNAMIC_SHARED), k.dynamic_shared_bytes);
    ASSERT_EQ(at(KERNEL_STATIC_SHARED), k.static_shared_bytes);
    ASSERT_EQ(at(KERNEL_REGISTERS), k.registers_per_thread);
    ASSERT_EQ(at(KERNEL_CORRELATION), k.correlation);
    ASSERT_EQ(at(KERNEL_GRAPH_NODE), k.graph_node);
    ASSERT_EQ(at(KERNEL_SCOPE), k.scope);
    ASSERT_EQ(at(KERNEL_LAUNCH_SCOPE), k.launch_scope);
  }

  const Columns scopes = columns_of(trace, Frame::SCOPES);
  ASSERT_EQ(scopes.size(), 21U);
  for (std::size_t i = 0; i < written.scopes.size(); ++i) {
    const ScopeRecord& s = written.scopes[i];
    const auto at = [&](ScopeColumn column) { return scopes.at(column)[i]; };
    ASSERT_EQ(at(SCOPE_ID), s.id);
    ASSERT_EQ(at(SCOPE_PARENT), s.parent);
    ASSERT_EQ(at(SCOPE_KIND), static_cast<std::uint64_t>(s.kind));
    ASSERT_EQ(static_cast<std::int64_t>(at(SCOPE_BEGIN)), s.begin.ns);
    ASSERT_EQ(static_cast<std::int64_t>(at(SCOPE_BEGIN) + at(SCOPE_DURATION)), s.end.ns);
    ASSERT_EQ(at(SCOPE_THREAD), s.thread);
    ASSERT_EQ(at(SCOPE_NAME), s.name);
    ASSERT_EQ(at(SCOPE_OP), static_cast<std::uint64_t>(s.op));
    ASSERT_EQ(static_cast<std::int64_t>(at(SCOPE_LAYER)), s.layer);
    ASSERT_EQ(at(SCOPE_FUSED_MASK), s.fused_mask);
    ASSERT_EQ(at(SCOPE_PHASE), static_cast<std::uint64_t>(s.phase));
    ASSERT_EQ(at(SCOPE_FLAGS), s.flags);
    ASSERT_EQ(at(SCOPE_BATCH), s.batch);
    ASSERT_EQ(at(SCOPE_QUERY_TOKENS), s.query_tokens);
    ASSERT_EQ(at(SCOPE_LENGTH), s.length);
    ASSERT_EQ(at(SCOPE_TOTAL_QUERY_TOKENS), s.total_query_tokens);
    ASSERT_EQ(at(SCOPE_TOTAL_KEYS), s.total_keys);
    ASSERT_EQ(at(SCOPE_ATTENTION_PAIRS), s.attention_pairs);
    ASSERT_EQ(at(SCOPE_CAUSAL_PAIRS), s.causal_pairs);
    ASSERT_EQ(at(SCOPE_LOGIT_ROWS), s.logit_rows);
    ASSERT_EQ(at(SCOPE_ARGS), s.args);
  }

  const Columns counters = columns_of(trace, Frame::COUNTERS);
  for (std::size_t i = 0; i < written.counters.size(); ++i) {
    const CounterRecord& c = written.counters[i];
    ASSERT_EQ(counters.at(COUNTER_KERNEL)[i], c.kernel);
    ASSERT_EQ(counters.at(COUNTER_METRIC)[i], c.metric);
    ASSERT_EQ(counters.at(COUNTER_VALUE)[i], std::bit_cast<std::uint64_t>(c.value));
    ASSERT_EQ(counters.at(COUNTER_SOURCE)[i], static_cast<std::uint64_t>(c.source));
  }
  const Columns samples = columns_of(trace, Frame::SAMPLES);
  for (std::size_t i = 0; i < written.samples.size(); ++i) {
    const SampleRecord& s = written.samples[i];
    ASSERT_EQ(samples.at(SAMPLE_DEVICE)[i], s.device);
    ASSERT_EQ(static_cast<std::int64_t>(samples.at(SAMPLE_BEGIN)[i]), s.begin.ns);
    ASSERT_EQ(
        static_cast<std::int64_t>(samples.at(SAMPLE_BEGIN)[i] + samples.at(SAMPLE_DURATION)[i]),
        s.end.ns);
    ASSERT_EQ(samples.at(SAMPLE_METRIC)[i], s.metric);
    ASSERT_EQ(samples.at(SAMPLE_VALUE)[i], std::bit_cast<std::uint64_t>(s.value));
  }
  const Columns memcpys = columns_of(trace, Frame::MEMCPYS);
  for (std::size_t i = 0; i < written.memcpys.size(); ++i) {
    const MemcpyRecord& m = written.memcpys[i];
    ASSERT_EQ(memcpys.at(MEMCPY_DEVICE)[i], m.device);
    ASSERT_EQ(memcpys.at(MEMCPY_STREAM)[i], m.stream);
    ASSERT_EQ(static_cast<std::int64_t>(memcpys.at(MEMCPY_BEGIN)[i]), m.begin.ns);
    ASSERT_EQ(
        static_cast<std::int64_t>(memcpys.at(MEMCPY_BEGIN)[i] + memcpys.at(MEMCPY_DURATION)[i]),
        m.end.ns);
    ASSERT_EQ(memcpys.at(MEMCPY_BYTES)[i], m.bytes);
    ASSERT_EQ(memcpys.at(MEMCPY_KIND)[i], static_cast<std::uint64_t>(m.kind));
    ASSERT_EQ(memcpys.at(MEMCPY_CORRELATION)[i], m.correlation);
    ASSERT_EQ(memcpys.at(MEMCPY_GRAPH_NODE)[i], m.graph_node);
    ASSERT_EQ(memcpys.at(MEMCPY_SCOPE)[i], m.scope);
  }
  const Columns drops = columns_of(trace, Frame::DROPS);
  for (std::size_t i = 0; i < written.drops.size(); ++i) {
    const DropRecord& d = written.drops[i];
    ASSERT_EQ(static_cast<std::int64_t>(drops.at(DROP_WHEN)[i]), d.when.ns);
    ASSERT_EQ(drops.at(DROP_SOURCE)[i], d.source);
    ASSERT_EQ(drops.at(DROP_COUNT)[i], d.count);
  }
}

TEST_F(Protobuf, ZoneMapsHold) {
  write_small_trace(path(), 300, 2);
  const std::map<Frame::Kind, std::vector<std::uint32_t>> signed_columns = {
      {Frame::SCOPES, {SCOPE_BEGIN, SCOPE_DURATION, SCOPE_LAYER}},
      {Frame::KERNELS, {KERNEL_BEGIN, KERNEL_DURATION}},
      {Frame::MEMCPYS, {MEMCPY_BEGIN, MEMCPY_DURATION}},
      {Frame::DROPS, {DROP_WHEN}}};
  int checked = 0;
  const Trace trace = parse(file_contents(path()));
  for (const Frame& frame : trace.frame()) {
    const auto found = signed_columns.find(frame.kind());
    if (found == signed_columns.end()) continue;
    Chunk chunk;
    ASSERT_TRUE(chunk.ParseFromString(frame.payload()));
    for (const Column& column : chunk.column()) {
      const bool is_signed =
          std::count(found->second.begin(), found->second.end(), column.id()) > 0;
      auto values = decode(column, frame.rows());
      const auto less = [&](std::uint64_t a, std::uint64_t b) {
        return is_signed ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b;
      };
      EXPECT_EQ(column.min(), *std::min_element(values.begin(), values.end(), less));
      EXPECT_EQ(column.max(), *std::max_element(values.begin(), values.end(), less));
      ++checked;
    }
  }
  EXPECT_EQ(checked, 2 * (21 + 19 + 9 + 3));
}

TEST_F(Protobuf, ZoneMapsOfDoubles) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (const double value : {2.5, -7.25, 1e9}) {
    ASSERT_TRUE(writer.add(CounterRecord{.kernel = 1, .metric = 0, .value = value}).ok());
  }
  ASSERT_TRUE(writer.flush().ok());
  ASSERT_TRUE(writer.add(CounterRecord{.kernel = 1, .metric = 0, .value = std::nan("")}).ok());
  ASSERT_TRUE(writer.finish().ok());
  const Trace trace = parse(file_contents(path()));
  Chunk numbers;
  Chunk with_nan;
  ASSERT_TRUE(numbers.ParseFromString(trace.frame(1).payload()));
  ASSERT_TRUE(with_nan.ParseFromString(trace.frame(2).payload()));
  EXPECT_EQ(std::bit_cast<double>(numbers.column(2).min()), -7.25);
  EXPECT_EQ(std::bit_cast<double>(numbers.column(2).max()), 1e9);
  EXPECT_FALSE(with_nan.column(2).has_min());
  EXPECT_FALSE(with_nan.column(2).has_max());
}

// The range of a frame covers its records, and INDEX says where every frame of records is.
TEST_F(Protobuf, RangesAndIndex) {
  write_small_trace(path(), 100, 3);
  const std::string bytes = file_contents(path());
  const Trace trace = parse(bytes);
  const auto offsets = frame_offsets(bytes);
  TraceIndex index;
  TraceEnd end;
  std::map<std::uint64_t, const Frame*> at;
  for (int i = 0; i < trace.frame_size(); ++i) {
    const Frame& frame = trace.frame(i);
    at[offsets[static_cast<std::size_t>(i)]] = &frame;
    if (frame.kind() == Frame::INDEX) {
      ASSERT_TRUE(index.MergeFromString(frame.payload()));
    }
    if (frame.kind() == Frame::END) {
      ASSERT_TRUE(end.ParseFromString(frame.payload()));
    }
  }
  EXPECT_EQ(index.entry_size(), 12);
  for (const auto& entry : index.entry()) {
    ASSERT_TRUE(at.count(entry.offset()));
    const Frame& frame = *at[entry.offset()];
    EXPECT_EQ(entry.kind(), frame.kind());
    EXPECT_EQ(entry.rows(), frame.rows());
    EXPECT_EQ(entry.begin_ns(), frame.begin_ns());
    EXPECT_EQ(entry.end_ns(), frame.end_ns());
    if (frame.kind() != Frame::KERNELS) continue;
    Chunk chunk;
    ASSERT_TRUE(chunk.ParseFromString(frame.payload()));
    const auto begins = decode(chunk.column(3), frame.rows());
    const auto durations = decode(chunk.column(4), frame.rows());
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    std::int64_t last = std::numeric_limits<std::int64_t>::min();
    for (std::size_t i = 0; i < begins.size(); ++i) {
      first = std::min(first, static_cast<std::int64_t>(begins[i]));
      last = std::max(last, static_cast<std::int64_t>(begins[i] + durations[i]));
    }
    EXPECT_EQ(frame.begin_ns(), first);
    EXPECT_EQ(frame.end_ns(), last);
  }
  EXPECT_EQ(at.at(end.index_offset())->kind(), Frame::INDEX);
  EXPECT_EQ(end.strings(), 3U);
  EXPECT_EQ(end.kernels(), 200U);
  EXPECT_EQ(end.drops(), 200U);
}

TEST_F(Protobuf, IndexFramesOfALongTraceAreChained) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (int i = 0; i < 9000; ++i) {
    ASSERT_TRUE(writer.add(DropRecord{}).ok());
    ASSERT_TRUE(writer.flush().ok());
  }
  ASSERT_TRUE(writer.finish().ok());
  const std::string bytes = file_contents(path());
  const Trace trace = parse(bytes);
  const auto offsets = frame_offsets(bytes);
  TraceEnd end;
  ASSERT_TRUE(end.ParseFromString(trace.frame(trace.frame_size() - 1).payload()));
  std::uint64_t offset = end.index_offset();
  int entries = 0;
  int frames = 0;
  for (; offset != 0; ++frames) {
    const auto found = std::find(offsets.begin(), offsets.end(), offset);
    ASSERT_NE(found, offsets.end());
    TraceIndex index;
    ASSERT_TRUE(
        index.ParseFromString(trace.frame(static_cast<int>(found - offsets.begin())).payload()));
    entries += index.entry_size();
    offset = index.previous_offset();
  }
  EXPECT_EQ(frames, 3);
  EXPECT_EQ(entries, 9000);
}

TEST_F(Protobuf, EveryWholeFramePrefixIsATrace) {
  const Records written = write_small_trace(path(), 50, 4);
  const std::string bytes = file_contents(path());
  const auto offsets = frame_offsets(bytes);
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    const std::string prefix = bytes.substr(0, offsets[i]);
    EXPECT_EQ(static_cast<std::size_t>(parse(prefix).frame_size()), i);
    const Result result = read_bytes(prefix);
    EXPECT_EQ(result.recovery.truncated, i + 1 < offsets.size());
    EXPECT_EQ(result.recovery.frames, i);
    EXPECT_TRUE(is_prefix(result.records, written));
  }
}

TEST_F(Protobuf, EnumerationsAreThoseOfTheRecords) {
  EXPECT_EQ(TraceOperator_MAX, kOperatorCount - 1);
  for (int i = 1; i < kOperatorCount; ++i) {
    std::string name(name_of(static_cast<Operator>(i)));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    });
    EXPECT_EQ(TraceOperator_Name(i), "OPERATOR_" + name);
  }
  for (int i = 1; i <= static_cast<int>(Provenance::kPredicted); ++i) {
    EXPECT_EQ(TraceProvenance_Name(i),
              "PROVENANCE_" + std::string(name_of(static_cast<Provenance>(i))));
  }
  EXPECT_EQ(TracePhase_MAX, static_cast<int>(Phase::kMixed));
  EXPECT_EQ(TraceScopeKind_MAX, static_cast<int>(ScopeKind::kForeign));
  EXPECT_EQ(TraceMemcpyKind_MAX, static_cast<int>(MemcpyKind::kMemset));
  EXPECT_EQ(TraceProvenance_MAX, static_cast<int>(Provenance::kAbsent));
  EXPECT_EQ(TraceMeta::Device::CUDA, static_cast<int>(DeviceKind::kCuda));
}

}  // namespace
}  // namespace rooftop::trace
