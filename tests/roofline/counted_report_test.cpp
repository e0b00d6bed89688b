// Reports of traces with counters: joined, remembered, sampled, of some launches only, and without
// any times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "profiler/join/join_traces.h"
#include "profiler/roofline/costliest.h"
#include "profiler/roofline/kernels_csv.h"
#include "profiler/roofline/points_csv.h"
#include "profiler/roofline/report.h"
#include "profiler/roofline/report_json.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Property;
using enum Operator;

constexpr std::string_view kRead = "dram__bytes_read.sum";
constexpr std::string_view kWritten = "dram__bytes_write.sum";
constexpr std::string_view kTensor = "sm__ops_path_tensor_src_bf16_dst_fp32.sum";
constexpr double kQkvFlops = 2 * 8 * 16;               // of tiny_model(), one row
constexpr double kQkvBytes = 4 * (8 * 16 + 8 + 16.0);  // 608

class CountedReport : public testing::Test {
 protected:
  // A decode whose qkv takes 100 ns and lm_head another 100.
  std::pair<KernelId, KernelId> decode(std::int64_t begin, std::int64_t ns = 100) {
    const ScopeId step = trace_.begin_step({}, begin);
    const KernelId qkv = trace_.op(step, kQkv, 0, begin, begin + ns);
    const KernelId head = trace_.op(step, kLmHead, -1, begin + ns, begin + 2 * ns);
    trace_.end_step(step, begin + 200);
    return {qkv, head};
  }
  void bytes(KernelId kernel, double read, double written, Provenance source) {
    trace_.counter(kernel, kRead, read, source);
    trace_.counter(kernel, kWritten, written, source);
  }
  void sample(std::int64_t begin, std::int64_t end, std::string_view metric, double value) {
    ASSERT_TRUE(trace_.writer()
                    .add(SampleRecord{.device = 0,
                                      .begin = {begin},
                                      .end = {end},
                                      .metric = trace_.writer().intern(metric),
                                      .value = value})
                    .ok());
  }
  static const Point& point_of(const Report& report, std::string_view op) {
    for (const Point& point : report.points()) {
      if (point.operator_() == op) return point;
    }
    ADD_FAILURE() << op;
    return report.points(0);
  }
  static const RowTotal& row_of(const Report& report, std::string_view name) {
    for (const RowTotal& row : report.rows()) {
      if (row.name() == name) return row;
    }
    ADD_FAILURE() << name;
    return report.rows(0);
  }

  TraceBuilder trace_;
};

TEST_F(CountedReport, RatiosOfWhatWasCountedToTheModel) {
  const auto [qkv, head] = decode(1000);
  bytes(qkv, 700, 212, Provenance::kJoined);
  trace_.counter(qkv, kTensor, 64 * kQkvFlops, Provenance::kMemoised);
  trace_.counter(head, kTensor, 0.5 * 2 * 8 * 20, Provenance::kJoined);
  const Report report = build_report({trace_.path()});
  const Point& point = point_of(report, "qkv");
  EXPECT_DOUBLE_EQ(point.amplification(), 1.5);
  EXPECT_DOUBLE_EQ(point.padding(), 64);
  EXPECT_EQ(point.counted(), 1);
  EXPECT_EQ(point.hardware_flops(), 64 * kQkvFlops);
  EXPECT_EQ(point.model_bytes(), kQkvBytes);
  EXPECT_EQ(point.bytes_source(), "JOINED");
  EXPECT_DOUBLE_EQ(row_of(report, "qkv mlp ar").amplification(), 1.5);
  EXPECT_DOUBLE_EQ(row_of(report, "qkv mlp ar").padding(), 64);
  EXPECT_FALSE(point_of(report, "lm_head").has_amplification());
  EXPECT_FALSE(point_of(report, "lm_head").has_counted());
  EXPECT_THAT(report.findings(),
              Contains(Property(&Finding::text,
                                "qkv ar at batch 1, length 8 executes 64 times the FLOPs that its "
                                "shapes need: the rest fills tiles up.")));
  EXPECT_THAT(report.findings(),
              Contains(Property(&Finding::text,
                                "Counters saw 0.5 of the FLOPs that the shapes of lm_head ar at "
                                "batch 1, length 8 need: a type of instruction was not counted.")));
}

TEST_F(CountedReport, BytesThatCachesHeldAreAFinding) {
  const auto [qkv, head] = decode(1000);
  bytes(qkv, 100, 52, Provenance::kJoined);
  const Report report = build_report({trace_.path()});
  EXPECT_DOUBLE_EQ(point_of(report, "qkv").amplification(), 0.25);
  EXPECT_THAT(report.findings(),
              Contains(Property(&Finding::text,
                                "qkv ar at batch 1, length 8 moves only 0.25 of its compulsory "
                                "bytes: caches held the rest.")));
}

TEST_F(CountedReport, OfSomeLaunchesTheRatioIsTheirs) {
  const auto [counted, unused] = decode(1000);
  decode(2000);
  bytes(counted, kQkvBytes, kQkvBytes, Provenance::kJoined);
  const Report report = build_report({trace_.path()});
  const Point& point = point_of(report, "qkv");
  EXPECT_EQ(point.counted(), 0.5);
  EXPECT_DOUBLE_EQ(point.amplification(), 2);
  EXPECT_DOUBLE_EQ(point.dram_bytes(), 1.5 * kQkvBytes);  // half of it modelled, and said to be
  EXPECT_EQ(point.bytes_source(), "MODELLED");
}

TEST_F(CountedReport, SamplesAreSplitOverTheLaunches) {
  decode(1000);
  sample(900, 1000, kRead, 50);  // before anything ran
  for (const std::string_view metric : {kRead, kWritten}) {
    sample(1000, 1100, metric, 400);
    sample(1100, 1200, metric, 1000);
  }
  sample(1000, 1200, "sm__pipe_tensor_cycles_active.sum", 300);
  sample(1000, 1200, "sm__cycles_elapsed.sum", 3000);
  const Report report = build_report({trace_.path()});
  EXPECT_DOUBLE_EQ(point_of(report, "qkv").dram_bytes(), 800);
  EXPECT_EQ(point_of(report, "qkv").bytes_source(), "SAMPLED");
  EXPECT_DOUBLE_EQ(point_of(report, "lm_head").dram_bytes(), 2000);
  EXPECT_DOUBLE_EQ(point_of(report, "lm_head").tensor_activity(), 0.1);
  EXPECT_DOUBLE_EQ(row_of(report, "lm_head ar").tensor_activity(), 0.1);
  EXPECT_THAT(report.notes(), Contains(HasSubstr("1.8 % of the sampled DRAM bytes moved while no "
                                                 "launch ran")));
}

TEST_F(CountedReport, WhatWasJoinedIsNotSampledToo) {
  const auto [qkv, head] = decode(1000);
  bytes(qkv, 10, 20, Provenance::kJoined);
  for (const std::string_view metric : {kRead, kWritten}) sample(1000, 1200, metric, 400);
  const Report report = build_report({trace_.path()});
  EXPECT_EQ(point_of(report, "qkv").dram_bytes(), 30);
  EXPECT_EQ(point_of(report, "qkv").bytes_source(), "JOINED");
  EXPECT_EQ(point_of(report, "lm_head").dram_bytes(), 400);
}

TEST_F(CountedReport, SamplesMayComeLongAfterTheirLaunchesAndSumUpExactly) {
  constexpr int kSteps = 70'000;  // 140,000 launches: more than wait at a time
  double all = 0;
  for (int i = 0; i < kSteps; ++i) {
    decode(1000 + 200 * i);
    if (i % 1000 != 999) continue;
    for (std::int64_t t = 1000 + 200 * (i - 999); t < 1000 + 200 * (i + 1); t += 500) {
      sample(t, t + 500, kRead, 3);
      sample(t, t + 500, kWritten, 4);
      all += 7;
    }
  }
  const Report report = build_report({trace_.path()});
  double sum = 0;
  for (const RowTotal& row : report.rows()) sum += row.bytes();
  EXPECT_NEAR(sum, all, 1e-6 * all);
  EXPECT_EQ(row_of(report, "lm_head ar").bytes_source(), "SAMPLED");
}

TEST_F(CountedReport, CountersWithoutTimesSaySo) {
  const auto [qkv, head] = decode(1000, 0);
  bytes(qkv, 700, 212, Provenance::kMeasured);
  const Report report = build_report({trace_.path()});
  const Point& point = point_of(report, "qkv");
  EXPECT_EQ(point.dram_bytes(), 912);
  EXPECT_EQ(point.time_source(), "");
  EXPECT_FALSE(point.has_flops_per_s() || point.has_roof_fraction());
  EXPECT_TRUE(point.has_intensity());
  EXPECT_THAT(report.notes(), Contains(HasSubstr("Counters, but no times")));
  EXPECT_TRUE(report.shares().empty());
  EXPECT_EQ(report.runs(0).wall_seconds(), 0);
  for (const RowTotal& row : report.rows()) {
    EXPECT_FALSE(row.has_flops_per_s() || row.has_roof_fraction()) << row.name();
    EXPECT_NE(row.name(), "idle");
  }
  EXPECT_THAT(report_json(report), Not(HasSubstr("Infinity")));
  EXPECT_THAT(report_json(report), Not(HasSubstr("NaN")));
  std::ostringstream points;
  write_points_csv(report, points);
  EXPECT_THAT(points.str(), HasSubstr("qkv,ar,1,1,8,1,1,256,,912,608,,,,,0.280"));
  std::ostringstream kernels;
  write_kernels_csv({trace_.path()}, {}, kernels);
  EXPECT_THAT(kernels.str(), HasSubstr("qkv,,,qkv,ar,0,scope,1000,,"));
  EXPECT_THAT(costliest_launches({trace_.path()}, {}, 3), IsEmpty());
}

TEST_F(CountedReport, BesideATimelineTheyAreInNoSum) {
  decode(1000);
  TraceBuilder counters;
  const ScopeId step = counters.begin_step({}, 1000);
  counters.op(step, kQkv, 0, 1000, 1000);
  counters.end_step(step, 5000);
  const Report report = build_report({trace_.path(), counters.path()});
  EXPECT_EQ(report.points_size(), 3);
  EXPECT_EQ(row_of(report, "qkv mlp ar").calls(), 1U);
  EXPECT_EQ(row_of(report, "qkv mlp ar").flops(), kQkvFlops);
  EXPECT_EQ(row_of(report, "qkv mlp ar").time_source(), "MEASURED");
  double shares = 0;
  for (const auto& [name, share] : report.shares()) shares += share;
  EXPECT_NEAR(shares, 1, 1e-12);
}

TEST_F(CountedReport, TellsHowItWasRecordedAndEachNoteOnce) {
  Meta more;
  more.capture = "timeline + counters";
  more.notes = {{"A fact."}, {"A fact."}};
  ASSERT_TRUE(trace_.writer().add_meta(more).ok());
  decode(1000);
  const Report report = build_report({trace_.path()});
  EXPECT_EQ(report.runs(0).capture(), "timeline + counters");
  EXPECT_EQ(std::count(report.notes().begin(), report.notes().end(), "A fact."), 1);
}

// A timeline of a CUDA graph: captured in a warm-up step, replayed at three lengths. Its kernels
// are in the scopes of the capture, and in the steps of their launches.
class GraphTimeline : public ::testing::Test {
 protected:
  static Meta meta(const char* capture) {
    Meta meta = tiny_meta();
    meta.sweep = true;
    meta.capture = capture;
    meta.devices[0].kind = DeviceKind::kCuda;
    meta.devices[0].name = "Some GPU";
    return meta;
  }

  ~GraphTimeline() override { std::filesystem::remove(joined_); }

  ScopeId scope(TraceBuilder& trace, ScopeId parent, Operator op, std::int64_t at) {
    ScopeRecord record;
    record.id = trace.next_scope();
    record.parent = parent;
    record.kind = ScopeKind::kOp;
    record.op = op;
    record.layer = 0;
    record.begin = {at};
    record.end = {at + 1};
    EXPECT_TRUE(trace.writer().add(record).ok());
    return record.id;
  }
  KernelId kernel(TraceBuilder& trace, Operator op, KernelRecord record, std::int64_t ns) {
    record.id = trace.next_kernel();
    record.end = {record.begin.ns + ns};
    record.name = trace.writer().intern(name_of(op));
    record.grid = {static_cast<std::uint32_t>(op), 1, 1};
    record.block = {128, 1, 1};
    EXPECT_TRUE(trace.writer().add(record).ok());
    return record.id;
  }

  void record_timeline() {
    const ScopeId capture = timeline_.begin_step({.length = 4, .warmup = true}, 100);
    const ScopeId qkv = scope(timeline_, capture, kQkv, 110);
    const ScopeId attention = scope(timeline_, capture, kQkPv, 120);
    timeline_.end_step(capture, 200);
    std::int64_t begin = 1000;
    for (const std::uint32_t length : {5U, 6U, 7U}) {
      const ScopeId step = timeline_.begin_step({.length = length}, begin);
      KernelRecord record;
      record.launch_scope = step;
      record.begin = {begin + 100};
      record.scope = qkv;
      record.graph_node = 1;
      kernel(timeline_, kQkv, record, 50);
      record.begin = {begin + 150};
      record.scope = attention;
      record.graph_node = 2;
      kernel(timeline_, kQkPv, record, 50);
      timeline_.end_step(step, begin + 20);  // before its kernels begin
      begin += 1000;
    }
  }

  // Eager, at two of the lengths, attention launched before qkv.
  void record_counters() {
    std::int64_t begin = 1000;
    for (const std::uint32_t length : {5U, 6U, 5U, 6U}) {
      const ScopeId step = counters_.begin_step({.length = length}, begin);
      for (const Operator op : {kQkPv, kQkv}) {
        KernelRecord record;
        record.begin = {begin += 10};
        record.scope = scope(counters_, step, op, begin);
        const KernelId id = kernel(counters_, op, record, 0);
        counters_.counter(id, kRead, 1000);
        counters_.counter(id, kWritten, 216);
        counters_.counter(id, kTensor, op == kQkv ? 4 * kQkvFlops : 64 * length);
      }
      counters_.end_step(step, begin += 10);
    }
  }

  TraceBuilder timeline_{meta("timeline")};
  TraceBuilder counters_{meta("counters")};
  std::string joined_ = ::testing::TempDir() + "joined_" + std::to_string(::getpid()) + ".rtrace";
};

TEST_F(GraphTimeline, TakesCountersOfEagerStepsOfEqualLength) {
  record_timeline();
  record_counters();
  join::join_traces(timeline_.path(), {counters_.path()}, joined_);
  const Report report = build_report({joined_});
  ASSERT_EQ(report.points_size(), 6);
  for (const Point& point : report.points()) {
    const bool counted = point.length() != 7;
    EXPECT_EQ(point.bytes_source(), counted ? "JOINED" : "MODELLED") << point.length();
    EXPECT_EQ(point.has_amplification(), counted);
    EXPECT_DOUBLE_EQ(point.time_s(), 50e-9);
    if (point.operator_() == "qkv") {
      EXPECT_DOUBLE_EQ(point.padding(), 4);  // of length 7 remembered
      EXPECT_DOUBLE_EQ(point.amplification(), counted ? 2 : 0);
    } else {
      EXPECT_EQ(point.has_padding(), counted);
    }
  }
  EXPECT_EQ(report.runs(0).capture(), "timeline + counters");
  EXPECT_THAT(report.notes(),
              Contains(HasSubstr("No counters were read on a step equal to 1 step")));
  EXPECT_THAT(report.notes(), Contains(HasSubstr("In 2 steps launches stood in another order")));
}

}  // namespace
}  // namespace rooftop
