// Traces that were cut short, are empty, or hold nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "profiler/core/error.h"
#include "profiler/roofline/kernels_csv.h"
#include "profiler/roofline/points_csv.h"
#include "profiler/roofline/report.h"
#include "profiler/roofline/report_json.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using enum Operator;
using ::testing::Contains;
using ::testing::HasSubstr;

// All outputs of a trace; none may throw, and no figure may be infinite or not a number.
Report all_outputs(const std::string& path) {
  const Report report = build_report({path});
  std::ostringstream csv;
  write_points_csv(report, csv);
  write_kernels_csv({path}, {}, csv);
  const std::string text = csv.str() + report_json(report);
  EXPECT_THAT(text, Not(HasSubstr(",inf")));
  EXPECT_THAT(text, Not(HasSubstr(",nan")));
  EXPECT_THAT(text, Not(HasSubstr("NaN")));
  EXPECT_THAT(text, Not(HasSubstr("Infinity")));
  return report;
}

TEST(ReportHostile, ATraceOfMetadataOnlySaysThatNothingWasRecovered) {
  TraceBuilder trace;
  const Report report = all_outputs(trace.path());
  EXPECT_EQ(report.runs_size(), 1);
  EXPECT_EQ(report.points_size(), 0);
  EXPECT_EQ(report.rows_size(), 0);
  EXPECT_EQ(report.title(), "Roofline Model (tiny)");
  EXPECT_THAT(report.notes(), Contains(HasSubstr("Nothing was recovered")));
}

TEST(ReportHostile, KilledWithinTheFirstStep) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kNorm, 0, 1000, 1100);
  trace.op(step, kQkv, 0, 1100, 1200);
  const Report report = all_outputs(trace.path());  // the step's own record was never written
  EXPECT_EQ(report.points_size(), 0);
  EXPECT_THAT(report.notes(), Contains(HasSubstr("Nothing was recovered but 2 launches")));
}

TEST(ReportHostile, EveryPrefixOfATraceGivesAReport) {
  std::string whole;
  {
    TraceBuilder trace;
    for (std::int64_t begin = 1000; begin < 4000; begin += 1000) {
      const ScopeId step = trace.begin_step({}, begin);
      trace.op(step, kQkv, 0, begin, begin + 300);
      trace.op(step, kDown, 0, begin + 300, begin + 500);
      trace.end_step(step, begin + 600);
      ASSERT_TRUE(trace.writer().flush().ok());
    }
    whole = file_text(trace.path());
  }
  const auto path = std::filesystem::path(testing::TempDir()) / "rooftop_prefix.rtrace";
  std::uint64_t most_steps = 0;
  int reports = 0;
  for (std::size_t size = 0; size <= whole.size(); size += size < 64 ? 1 : 7) {
    std::ofstream(path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(size));
    try {
      const Report report = all_outputs(path.string());
      ++reports;
      EXPECT_TRUE(report.runs(0).truncated() || size == whole.size());
      EXPECT_FALSE(report.notes().empty());
      EXPECT_GE(report.runs(0).steps(), most_steps);  // more bytes, never fewer steps
      most_steps = report.runs(0).steps();
    } catch (const InputError&) {
      EXPECT_EQ(reports, 0) << "a longer prefix was refused at " << size;  // before META is whole
    }
  }
  EXPECT_EQ(most_steps, 3U);
  std::filesystem::remove(path);
}

TEST(ReportHostile, ImpossibleTimesAreRejectedAndCounted) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kQkv, 0, 1000, 1300);
  trace.op(step, kQkv, 0, 1300, 1299);
  trace.op(step, kQkv, 0, kFirst, 1000);
  trace.op(step, kQkv, 0, kFirst, kLast);
  trace.op(step, kQkv, 0, kLast, kFirst);
  trace.end_step(step, 2000);
  const ScopeId backwards = trace.begin_step({}, 5000);
  trace.end_step(backwards, 4000);
  const Report report = all_outputs(trace.path());
  EXPECT_EQ(report.rows(0).calls(), 1U);
  EXPECT_DOUBLE_EQ(report.shares().at("qkv mlp ar"), 0.3);
  EXPECT_THAT(report.notes(), Contains(HasSubstr("5 records rejected")));
}

TEST(ReportHostile, EndlessLaunchesAndStepsStayFinite) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 0);
  for (int i = 0; i < 10; ++i) trace.op(step, kQkv, 0, i, kLast);
  trace.end_step(step, kLast);
  const Report report = all_outputs(trace.path());
  EXPECT_NEAR(report.shares().at("qkv mlp ar"), 1, 1e-9);
}

TEST(ReportHostile, AbsurdSizesStayFinite) {
  constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();
  Meta meta = tiny_meta();
  meta.model = {.name = "a,\"b\"\nc",
                .hidden = kHuge,
                .layers = kHuge,
                .heads = kHuge,
                .kv_heads = kHuge,
                .head_dim = kHuge,
                .ffn = kHuge,
                .vocab = kHuge};
  meta.weight_bytes = 1e308;
  meta.activation_bytes = std::numeric_limits<double>::quiet_NaN();
  meta.roofs[0].value = -1;
  TraceBuilder trace(meta);
  ScopeRecord step;
  step.id = trace.next_scope();
  step.kind = ScopeKind::kStep;
  step.phase = static_cast<Phase>(99);
  step.begin = {10};
  step.end = {20};
  step.batch = step.query_tokens = step.length = step.logit_rows = kHuge;
  step.total_query_tokens = step.total_keys = step.attention_pairs = step.causal_pairs =
      std::numeric_limits<std::uint64_t>::max();
  for (int op = 0; op < 300; op += 1) {
    trace.op(step.id, static_cast<Operator>(op), std::numeric_limits<std::int32_t>::min(), 11, 12,
             static_cast<std::uint32_t>(op) * 1'000'000);
  }
  ASSERT_TRUE(trace.writer().add(step).ok());
  trace.counter(1, "dram__bytes_read.sum", std::numeric_limits<double>::infinity());
  trace.counter(1, "dram__bytes_write.sum", std::numeric_limits<double>::max());
  const Report report = all_outputs(trace.path());
  EXPECT_EQ(report.points_size(), 18);  // 17 rows on an unknown device, one on a known one
}

TEST(ReportHostile, LaunchesOutOfOrderAreSortedWithinAWindow) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  for (int i = 999; i >= 0; --i) trace.op(step, kQkv, 0, 1000 + i, 1001 + i);  // last first
  trace.end_step(step, 3000);
  const Report report = all_outputs(trace.path());
  EXPECT_DOUBLE_EQ(report.shares().at("qkv mlp ar"), 0.5);
  EXPECT_EQ(report.overlap_seconds(), 0);
  EXPECT_TRUE(report.notes().empty());
}

TEST(ReportHostile, CountersWithoutALaunchAreTold) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kQkv, 0, 1000, 1100);
  trace.end_step(step, 1200);
  trace.counter(4711, "dram__bytes_read.sum", 1);
  trace.counter(4711, "dram__bytes_write.sum", 1);
  const Report report = all_outputs(trace.path());
  EXPECT_THAT(report.notes(), Contains(HasSubstr("Counters of 1 launch have no launch")));
}

TEST(ReportHostile, MissingFilesAreNamed) {
  try {
    build_report({"/nonexistent/x.rtrace"});
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nonexistent/x.rtrace"));
  }
}

// A line of /proc/self/status in KiB: VmRSS, or VmHWM, its highest value so far.
long status_kib(const std::string& name) {
  std::istringstream status(file_text("/proc/self/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

TEST(ReportHostile, MillionsOfLaunchesInBoundedMemory) {
  TraceBuilder trace;
  constexpr int kSteps = 4000;
  constexpr int kLayers = 500;
  std::int64_t now = 1000;
  for (int s = 0; s < kSteps; ++s) {
    const ScopeId step = trace.begin_step({.length = 100}, now);
    for (int layer = 0; layer < kLayers; ++layer) {
      trace.op(step, kQkv, layer, now, now + 60);
      now += 100;
    }
    trace.end_step(step, now);
  }
  const std::string& path = trace.path();
  std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM starts again from what is used now
  const long before = status_kib("VmRSS");
  const Report report = build_report({path});
  const long used = status_kib("VmHWM") - before;
  ASSERT_EQ(report.points_size(), 1);
  EXPECT_EQ(report.points(0).repeats(), static_cast<std::uint64_t>(kSteps));
  EXPECT_EQ(report.points(0).calls(), kLayers);
  EXPECT_EQ(report.runs(0).launches(), static_cast<std::uint64_t>(kSteps) * kLayers);
  EXPECT_NEAR(report.points(0).share(), 0.6, 1e-9);
  EXPECT_EQ(report.points(0).time_s(), kLayers * 60 / 1e9);
  EXPECT_EQ(report.points(0).time_spread_s(), 0);
#ifdef __SANITIZE_ADDRESS__
  constexpr long kMostKib = 400L << 10;  // ASan keeps what was freed
#else
  constexpr long kMostKib = 100L << 10;  // two million launches alone would be 300 MiB
#endif
  EXPECT_LT(used, kMostKib);
}

}  // namespace
}  // namespace rooftop
