// A report accounts for all of each device's time: properties over random traces, several devices,
// several files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "profiler/roofline/report.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using enum Operator;
using ::testing::Contains;
using ::testing::HasSubstr;

double sum_of_shares(const Report& report) {
  double sum = 0;
  for (const auto& [name, share] : report.shares()) sum += share;
  return sum;
}

double sum_of_points(const Report& report) {
  double sum = report.shares().at("idle");
  for (const Point& point : report.points()) sum += point.share();
  return sum;
}

double share(const Report& report, const std::string& name) {
  const auto it = report.shares().find(name);
  return it == report.shares().end() ? -1 : it->second;
}

TEST(ReportAccounting, OverlapIsSharedEqually) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kQkv, 0, 1000, 1400);
  trace.op(step, kDown, 0, 1200, 1600);
  trace.end_step(step, 2000);
  const Report report = build_report({trace.path()});
  EXPECT_DOUBLE_EQ(share(report, "qkv mlp ar"), 0.3);
  EXPECT_DOUBLE_EQ(share(report, "up/gate/down ar"), 0.3);
  EXPECT_DOUBLE_EQ(share(report, "idle"), 0.4);
  EXPECT_DOUBLE_EQ(report.overlap_seconds(), 200e-9);
  EXPECT_DOUBLE_EQ(report.rows(0).time_s(), 400e-9);  // a launch's own time is never divided
  EXPECT_THAT(report.findings(),
              Contains(testing::Property(&Finding::kind, std::string("overlap"))));
}

TEST(ReportAccounting, WorkThatRunsOnAfterItsStepIsNotLost) {
  // A GPU computes behind the host: the step's scope ends before its launches do.
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kQkv, 0, 1100, 1500);
  trace.end_step(step, 1200);
  const Report report = build_report({trace.path()});
  EXPECT_DOUBLE_EQ(share(report, "qkv mlp ar"), 0.8);
  EXPECT_DOUBLE_EQ(share(report, "idle"), 0.2);
}

TEST(ReportAccounting, GapsBetweenStepsAreNotIdle) {
  TraceBuilder trace;
  for (const std::int64_t begin : {1000, 50'000}) {
    const ScopeId step = trace.begin_step({}, begin);
    trace.op(step, kQkv, 0, begin, begin + 100);
    trace.end_step(step, begin + 100);
  }
  const Report report = build_report({trace.path()});
  EXPECT_DOUBLE_EQ(share(report, "qkv mlp ar"), 1);
  EXPECT_EQ(share(report, "idle"), 0);
}

TEST(ReportAccounting, CopiesAndUnclassifiedLaunchesHaveRows) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  trace.memcpy(step, MemcpyKind::kHostToDevice, 640, 1000, 1100);
  trace.memcpy(0, MemcpyKind::kDeviceToDevice, 50, 1100, 1200);
  trace.kernel(step, 1200, 1500);
  trace.kernel(0, 1500, 1800);
  trace.end_step(step, 2000);
  trace.kernel(0, 5000, 6000);  // between no steps
  const Report report = build_report({trace.path()});
  EXPECT_DOUBLE_EQ(share(report, "memcpy ar"), 0.2);
  EXPECT_DOUBLE_EQ(share(report, "unclassified"), 0.6);
  EXPECT_DOUBLE_EQ(share(report, "idle"), 0.2);
  EXPECT_THAT(report.notes(), Contains(HasSubstr("1 launch outside every complete step left out")));
  ASSERT_EQ(report.points_size(), 2);
  EXPECT_EQ(report.points(0).operator_(), "memcpy");
  EXPECT_EQ(report.points(0).dram_bytes(), 640 + 2 * 50);
  EXPECT_FALSE(report.points(0).has_flops());
  EXPECT_EQ(report.points(1).operator_(), "unclassified");
  EXPECT_FALSE(report.points(1).has_dram_bytes());
}

TEST(ReportAccounting, DevicesOfAProcessAreToldApartById) {
  Meta meta = tiny_meta();
  meta.devices.clear();
  for (const char* name : {"NVIDIA RTX A6000", "NVIDIA A40", "NVIDIA A40", "never used"}) {
    meta.devices.emplace_back().name = name;
  }
  meta.roofs.clear();
  meta.dtype = "bf16";
  TraceBuilder trace(meta);
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kQkv, 0, 1000, 1500, 0);
  trace.op(step, kQkv, 0, 1000, 1200, 1);
  trace.op(step, kQkv, 0, 1000, 1300, 2);
  trace.end_step(step, 2000);
  const Report report = build_report({trace.path()});
  ASSERT_EQ(report.points_size(), 2);
  EXPECT_EQ(report.points(0).device(), "a6000");
  EXPECT_EQ(report.points(1).device(), "a40");
  EXPECT_EQ(report.points(1).calls(), 2);  // two equal cards count as one
  EXPECT_EQ(report.points(1).repeats(), 1U);
  EXPECT_DOUBLE_EQ(report.points(1).time_s(), 500e-9);
  EXPECT_DOUBLE_EQ(report.points(1).share(), 500.0 / 3000);
  EXPECT_DOUBLE_EQ(share(report, "qkv mlp ar"), 1000.0 / 3000);
  EXPECT_DOUBLE_EQ(share(report, "idle"), 2000.0 / 3000);  // of three devices, not four
  EXPECT_EQ(report.overlap_seconds(), 0);                  // on different devices is no overlap
  // Both devices' roofs are listed, one pair is drawn.
  int drawn = 0;
  for (const Roof& roof : report.roofs()) drawn += roof.drawn() ? 1 : 0;
  EXPECT_EQ(drawn, 2);
  EXPECT_THAT(report.roofs(), Contains(testing::Property(&Roof::device, std::string("a40"))));
}

TEST(ReportAccounting, AFolderOfRanksIsOneReport) {
  namespace fs = std::filesystem;
  Meta meta = tiny_meta();
  std::vector<std::string> texts;
  for (const std::uint32_t rank : {0U, 1U}) {
    meta.rank = rank;
    meta.world_size = 2;
    TraceBuilder trace(meta);
    const ScopeId step = trace.begin_step({}, 1000);
    trace.op(step, kQkv, 0, 1000, 1500 + 100 * rank);
    trace.end_step(step, 2000);
    texts.push_back(file_text(trace.path()));
  }
  const fs::path folder = fs::path(testing::TempDir()) / "rooftop_ranks";
  fs::create_directories(folder);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::ofstream(folder / ("rank" + std::to_string(i) + ".rtrace"), std::ios::binary) << texts[i];
  }
  const Report report = build_report({folder.string()});
  ASSERT_EQ(report.runs_size(), 2);
  EXPECT_EQ(report.runs(1).rank(), 1U);
  ASSERT_EQ(report.points_size(), 2);
  EXPECT_EQ(report.points(0).rank(), 0U);
  EXPECT_EQ(report.points(1).rank(), 1U);
  EXPECT_EQ(report.points(1).run(), "test");  // rank tells them apart
  EXPECT_DOUBLE_EQ(report.points(1).share(), 600.0 / 2000);
  EXPECT_NEAR(sum_of_shares(report), 1, 1e-12);
  EXPECT_EQ(report.rows(0).calls(), 2U);

  // The same file twice: its points stay told apart.
  const std::string file = (folder / "rank0.rtrace").string();
  const Report twice = build_report({file, file});
  EXPECT_EQ(twice.points(0).run(), "test");
  EXPECT_EQ(twice.points(1).run(), "test#2");
  fs::remove_all(folder);
}

struct RandomLaunch {
  std::int64_t begin;
  std::int64_t end;
  std::string row;  // empty: of a warm-up step
};

TEST(ReportAccounting, RandomTracesAgreeWithAnInstantByInstantAccount) {
  std::mt19937 random(5);
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  const std::pair<Operator, const char*> kinds[] = {{kQkv, "qkv mlp ar"},
                                                    {kGate, "up/gate/down ar"},
                                                    {kDown, "up/gate/down ar"},
                                                    {kNorm, "norm ar"},
                                                    {kSampling, "sampling ar"}};
  for (int round = 0; round < 60; ++round) {
    TraceBuilder trace;
    std::vector<RandomLaunch> launches;
    std::vector<std::pair<std::int64_t, std::int64_t>> steps;
    std::int64_t now = 1000;
    for (int s = between(1, 5); s > 0; --s) {
      const bool warmup = between(0, 4) == 0;
      const std::int64_t begin = now + between(0, 50);
      const std::int64_t end = begin + between(1, 300);
      now = end;
      const ScopeId step = trace.begin_step({.warmup = warmup}, begin);
      for (int l = between(0, 12); l > 0; --l) {
        const std::int64_t from = begin + between(0, static_cast<int>(end - begin) - 1);
        const std::int64_t to = from + between(0, 100);  // may run on after the step
        const auto& [op, row] = kinds[between(0, 4)];
        trace.op(step, op, 0, from, to);
        launches.push_back({.begin = from, .end = to, .row = warmup ? "" : row});
      }
      trace.end_step(step, end);
      if (!warmup) steps.emplace_back(begin, end);
    }
    std::map<std::string, double> expected;
    double total = 0;
    for (std::int64_t t = 1000; t < now + 200; ++t) {
      std::vector<std::string> running;
      for (const RandomLaunch& l : launches) {
        if (l.begin <= t && t < l.end) running.push_back(l.row);
      }
      for (const std::string& row : running) {
        if (row.empty()) continue;
        expected[row] += 1.0 / static_cast<double>(running.size());
        total += 1.0 / static_cast<double>(running.size());
      }
      const bool in_step = std::any_of(steps.begin(), steps.end(), [&](const auto& step) {
        return step.first <= t && t < step.second;
      });
      if (running.empty() && in_step) {
        expected["idle"] += 1;
        total += 1;
      }
    }
    const Report report = build_report({trace.path()});
    if (total == 0) {
      EXPECT_TRUE(report.rows().empty());
      continue;
    }
    if (launches.empty()) continue;  // no device was used: nothing to account for
    EXPECT_NEAR(sum_of_shares(report), 1, 1e-9);
    EXPECT_NEAR(sum_of_points(report), 1, 1e-9);
    for (const auto& [row, ns] : expected) {
      EXPECT_NEAR(share(report, row), ns / total, 1e-9) << row;
    }
  }
}

}  // namespace
}  // namespace rooftop
