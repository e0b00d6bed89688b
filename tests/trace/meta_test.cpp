// What a trace says about its run: every field, and how later META frames merge.
#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

class Metadata : public TraceTest {};

Meta full_meta() {
  Meta m;
  m.tool_version = "1.2.3";
  m.run = "nightly";
  m.command = "sweep";
  m.created = {1'790'000'000'123'456'789};
  m.pid = 4'194'304;
  m.rank = 3;
  m.world_size = 8;
  m.cpu_name = "EPYC";
  m.cpu_cores = 96;
  m.memory_bytes = 1ULL << 40;
  m.os = "Debian 12";
  m.devices.resize(2);
  m.devices[0] = {
      DeviceKind::kCuda, 1, "H100", "h100-sxm", 132, 80ULL << 30, 9, 0, 1.98e9, 2.6e9, "580.1"};
  m.devices[1].kind = DeviceKind::kCpu;
  m.model = {"llama-7b", 4096, 32, 32, 8, 128, 11008, 32000, true, 4096};
  m.weights = "random";
  m.layers_run = 4;
  m.dtype = "bf16";
  m.weight_bytes = 0.625;
  m.activation_bytes = 2;
  m.kv_bytes = 1;
  m.attention = "flash";
  m.causal_skip = true;
  m.threads = 2;
  m.sweep = true;
  m.roofs = {{1, "compute", "bf16", 9.89e14, 1.7e9}, {0, "dram_read", "", 3.1e12, 0}};
  m.skipped = {{Phase::kAr, 64, 1, 8192, "does not fit"}};
  m.scope_overhead_ns = 41.5;
  m.overhead_fraction = 0.003;
  m.prediction = "transferred from a40";
  m.capture = "timeline";
  m.notes = {{"Counters were not read: no permission."}};
  return m;
}

void expect_equal(const Meta& a, const Meta& b) {
  EXPECT_EQ(a.tool_version, b.tool_version);
  EXPECT_EQ(a.run, b.run);
  EXPECT_EQ(a.command, b.command);
  EXPECT_EQ(a.created, b.created);
  EXPECT_EQ(a.pid, b.pid);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.world_size, b.world_size);
  EXPECT_EQ(a.cpu_name, b.cpu_name);
  EXPECT_EQ(a.cpu_cores, b.cpu_cores);
  EXPECT_EQ(a.memory_bytes, b.memory_bytes);
  EXPECT_EQ(a.os, b.os);
  ASSERT_EQ(a.devices.size(), b.devices.size());
  for (std::size_t i = 0; i < a.devices.size(); ++i) {
    const DeviceInfo& x = a.devices[i];
    const DeviceInfo& y = b.devices[i];
    EXPECT_EQ(std::tie(x.kind, x.ordinal, x.name, x.table_id, x.multiprocessors, x.memory_bytes),
              std::tie(y.kind, y.ordinal, y.name, y.table_id, y.multiprocessors, y.memory_bytes));
    EXPECT_EQ(std::tie(x.compute_major, x.compute_minor, x.clock_hz, x.memory_clock_hz, x.driver),
              std::tie(y.compute_major, y.compute_minor, y.clock_hz, y.memory_clock_hz, y.driver));
  }
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(a.layers_run, b.layers_run);
  EXPECT_EQ(a.dtype, b.dtype);
  EXPECT_EQ(a.weight_bytes, b.weight_bytes);
  EXPECT_EQ(a.activation_bytes, b.activation_bytes);
  EXPECT_EQ(a.kv_bytes, b.kv_bytes);
  EXPECT_EQ(a.attention, b.attention);
  EXPECT_EQ(a.causal_skip, b.causal_skip);
  EXPECT_EQ(a.threads, b.threads);
  EXPECT_EQ(a.sweep, b.sweep);
  ASSERT_EQ(a.roofs.size(), b.roofs.size());
  for (std::size_t i = 0; i < a.roofs.size(); ++i) {
    const MeasuredRoof& x = a.roofs[i];
    const MeasuredRoof& y = b.roofs[i];
    EXPECT_EQ(std::tie(x.device, x.kind, x.dtype, x.value, x.clock_hz),
              std::tie(y.device, y.kind, y.dtype, y.value, y.clock_hz));
  }
  ASSERT_EQ(a.skipped.size(), b.skipped.size());
  for (std::size_t i = 0; i < a.skipped.size(); ++i) {
    const SkippedCell& x = a.skipped[i];
    const SkippedCell& y = b.skipped[i];
    EXPECT_EQ(std::tie(x.phase, x.batch, x.query_tokens, x.length, x.reason),
              std::tie(y.phase, y.batch, y.query_tokens, y.length, y.reason));
  }
  EXPECT_EQ(a.scope_overhead_ns, b.scope_overhead_ns);
  EXPECT_EQ(a.overhead_fraction, b.overhead_fraction);
  EXPECT_EQ(a.prediction, b.prediction);
  EXPECT_EQ(a.capture, b.capture);
  ASSERT_EQ(a.notes.size(), b.notes.size());
  for (std::size_t i = 0; i < a.notes.size(); ++i) EXPECT_EQ(a.notes[i].text, b.notes[i].text);
}

TEST_F(Metadata, EveryField) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), full_meta()).ok());
  ASSERT_TRUE(writer.finish().ok());
  expect_equal(read_path(path()).meta, full_meta());
}

TEST_F(Metadata, OnDiskBeforeAnythingElse) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), full_meta()).ok());
  const Result result = read_path(path());
  expect_equal(result.meta, full_meta());
  EXPECT_TRUE(result.recovery.truncated);
  EXPECT_EQ(result.recovery.frames, 1U);
  EXPECT_EQ(result.recovery.notes.size(), 1U);
}

// Scalars that are set override, lists grow, and what is not set stays.
TEST_F(Metadata, LaterFramesAddAndOverride) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), full_meta()).ok());
  Meta late;
  late.run = "renamed";
  late.overhead_fraction = 0.5;
  late.model.vocab = 99;
  late.devices.resize(1);
  late.devices[0].name = "third";
  late.skipped.push_back({Phase::kInit, 1, 2, 3, "late"});
  ASSERT_TRUE(writer.add_meta(late).ok());
  ASSERT_TRUE(writer.finish().ok());

  Meta expected = full_meta();
  expected.run = "renamed";
  expected.overhead_fraction = 0.5;
  expected.model.vocab = 99;
  expected.devices.push_back(late.devices[0]);
  expected.skipped.push_back(late.skipped[0]);
  expect_equal(read_path(path()).meta, expected);
}

TEST_F(Metadata, NothingKnown) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  ASSERT_TRUE(writer.finish().ok());
  expect_equal(read_path(path()).meta, Meta{});
}

}  // namespace
}  // namespace rooftop::trace
