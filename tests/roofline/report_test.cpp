// The figures of a report, from traces whose times are chosen and whose costs are worked by hand
// for tiny_model(): h 8, n 4, g 2, d 2, i 12, V 20, four bytes an element.
#include "profiler/roofline/report.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "profiler/core/error.h"
#include "profiler/roofline/report_json.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum Operator;

// A decode at length 8 from `begin`: 10 us long, 500 ns of them idle.
void add_decode(TraceBuilder& trace, std::int64_t begin, StepFacts facts = {},
                std::int64_t qkv_ns = 2000) {
  const ScopeId step = trace.begin_step(facts, begin);
  trace.op(step, kNorm, 0, begin, begin + 1000);
  trace.op(step, kQkv, 0, begin + 1000, begin + 1000 + qkv_ns);
  trace.op(step, kQkPv, 0, begin + 3000, begin + 4000);
  trace.op(step, kGateUp, 0, begin + 4000, begin + 6000);
  trace.op(step, kActivation, 0, begin + 6000, begin + 6500);
  trace.op(step, kDown, 0, begin + 6500, begin + 7500);
  trace.op(step, kLmHead, -1, begin + 8000, begin + 10000);
  trace.end_step(step, begin + 10000);
}

const Point& point_of(const Report& report, std::string_view op, std::string_view phase = "ar") {
  for (const Point& point : report.points()) {
    if (point.operator_() == op && point.phase() == phase) return point;
  }
  ADD_FAILURE() << "no point " << op << " " << phase;
  return report.points(0);
}

const RowTotal& row_of(const Report& report, std::string_view name) {
  for (const RowTotal& row : report.rows()) {
    if (row.name() == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  return report.rows(0);
}

std::vector<std::string> row_names(const Report& report) {
  std::vector<std::string> names;
  for (const RowTotal& row : report.rows()) names.push_back(row.name());
  return names;
}

TEST(Report, APointsFiguresArePerStep) {
  TraceBuilder trace;
  add_decode(trace, 100'000);
  add_decode(trace, 200'000, {}, 1000);  // the second step's qkv takes half as long
  const Report report = build_report({trace.path()});

  const Point& qkv = point_of(report, "qkv");
  EXPECT_EQ(qkv.run(), "test");
  EXPECT_EQ(qkv.model(), "tiny");
  EXPECT_EQ(qkv.device(), "Some CPU");
  EXPECT_EQ(qkv.series(), "qkv mlp ar");
  EXPECT_EQ(qkv.variant(), "fused");
  EXPECT_EQ(qkv.layers(), 1U);
  EXPECT_EQ(qkv.batch(), 1U);
  EXPECT_EQ(qkv.length(), 8U);
  EXPECT_EQ(qkv.calls(), 1);
  EXPECT_EQ(qkv.repeats(), 2U);
  EXPECT_EQ(qkv.flops(), 2 * 8 * (4 + 2 * 2) * 2);
  EXPECT_EQ(qkv.dram_bytes(), 4 * (8 * 16 + 8 + 16));
  EXPECT_EQ(qkv.model_bytes(), qkv.dram_bytes());
  EXPECT_FALSE(qkv.has_hardware_flops());
  EXPECT_FALSE(qkv.has_l2_bytes());
  EXPECT_DOUBLE_EQ(qkv.time_s(), 1.5e-6);
  EXPECT_NEAR(qkv.time_spread_s(), 1e-6 * std::sqrt(0.5), 1e-18);  // of 2 and 1
  EXPECT_DOUBLE_EQ(qkv.intensity(), 256.0 / 608);
  EXPECT_DOUBLE_EQ(qkv.flops_per_s(), 256 / 1.5e-6);
  EXPECT_EQ(qkv.roof(), "measured:f32");
  EXPECT_EQ(qkv.bound(), "memory");
  EXPECT_DOUBLE_EQ(qkv.roof_fraction(), (256 / 1.5e-6) / (10e9 * 256 / 608));
  EXPECT_EQ(qkv.flops_source(), "MODELLED");
  EXPECT_EQ(qkv.bytes_source(), "MODELLED");
  EXPECT_EQ(qkv.time_source(), "MEASURED");

  const Point& mlp = point_of(report, "up_gate_down");
  EXPECT_EQ(mlp.series(), "up/gate/down ar");
  EXPECT_EQ(mlp.calls(), 2);  // gate_up and down
  EXPECT_EQ(mlp.flops(), 6 * 8 * 12);
  EXPECT_EQ(mlp.dram_bytes(), 4 * (8 * 24 + 8 + 24) + 4 * (12 * 8 + 12 + 8));
  EXPECT_DOUBLE_EQ(mlp.time_s(), 3e-6);
  EXPECT_EQ(mlp.time_spread_s(), 0);

  const Point& attention = point_of(report, "qk_pv");
  EXPECT_EQ(attention.flops(), 4 * 4 * 2 * 8);
  EXPECT_EQ(attention.dram_bytes(), 4 * (2 * 4 * 2 + 2 * 2 * 2 * 8));
  const Point& norm = point_of(report, "norm");
  EXPECT_EQ(norm.series(), "");
  EXPECT_EQ(norm.flops(), 4 * 8);
}

TEST(Report, RowsAndSharesAccountForAllTime) {
  TraceBuilder trace;
  add_decode(trace, 100'000);
  add_decode(trace, 200'000);
  const Report report = build_report({trace.path()});
  EXPECT_THAT(row_names(report),
              ElementsAre("qkv mlp ar", "up/gate/down ar", "qk/pv ar", "lm_head ar", "norm ar",
                          "activation ar", "unclassified", "idle"));
  EXPECT_DOUBLE_EQ(row_of(report, "qkv mlp ar").share(), 0.2);
  EXPECT_DOUBLE_EQ(row_of(report, "up/gate/down ar").share(), 0.3);
  EXPECT_DOUBLE_EQ(row_of(report, "idle").share(), 0.05);
  EXPECT_EQ(row_of(report, "unclassified").share(), 0);
  EXPECT_FALSE(row_of(report, "unclassified").has_flops());
  EXPECT_EQ(report.shares().size(), 8U);
  double sum = 0;
  for (const auto& [name, share] : report.shares()) {
    EXPECT_EQ(share, row_of(report, name).share());
    sum += share;
  }
  EXPECT_NEAR(sum, 1, 1e-12);

  const RowTotal& mlp = row_of(report, "up/gate/down ar");
  EXPECT_EQ(mlp.calls(), 4U);
  EXPECT_EQ(mlp.flops(), 2 * 6 * 8 * 12);
  EXPECT_DOUBLE_EQ(mlp.time_s(), 6e-6);
  EXPECT_DOUBLE_EQ(mlp.roof_fraction(), point_of(report, "up_gate_down").roof_fraction());
  EXPECT_EQ(mlp.roof(), "measured:f32");
  EXPECT_EQ(mlp.bound(), "memory");
}

TEST(Report, WhatTheRunWas) {
  Meta meta = tiny_meta();
  meta.created = {1'700'000'000'000'000'000};
  meta.cpu_name = "A processor";
  meta.cpu_cores = 2;
  meta.memory_bytes = std::uint64_t{16} << 30;
  meta.os = "An OS";
  meta.overhead_fraction = 0.004;
  meta.devices[0].driver = "avx2";
  meta.devices[0].clock_hz = 3.1e9;
  meta.skipped = {{.phase = Phase::kInit,
                   .batch = 64,
                   .query_tokens = 8192,
                   .length = 8192,
                   .reason = "needs 70 GiB"}};
  TraceBuilder trace(meta);
  add_decode(trace, 50'000, {.warmup = true});
  add_decode(trace, 100'000);
  add_decode(trace, 200'000);
  trace.drop(3);
  trace.drop(4);
  const Report report = build_report({trace.path()});
  ASSERT_EQ(report.runs_size(), 1);
  const auto& run = report.runs(0);
  EXPECT_EQ(run.name(), "test");
  EXPECT_EQ(run.created(), "2023-11-14T22:13:20Z");
  EXPECT_EQ(run.machine(), "A processor, 2 cores, 16 GiB, An OS");
  EXPECT_EQ(run.shape().ffn(), 12U);
  EXPECT_EQ(run.steps(), 2U);
  EXPECT_EQ(run.warmup_steps(), 1U);
  EXPECT_EQ(run.launches(), 14U);
  EXPECT_DOUBLE_EQ(run.wall_seconds(), 110e-6);
  EXPECT_EQ(run.dropped_records(), 7U);
  EXPECT_FALSE(run.truncated());
  EXPECT_EQ(run.devices(0).kind(), "cpu");
  EXPECT_EQ(run.devices(0).detail(), "avx2, 3.1 GHz");
  EXPECT_EQ(run.skipped(0).reason(), "needs 70 GiB");
  EXPECT_EQ(run.skipped(0).phase(), "init");
  EXPECT_THAT(report.notes(),
              ElementsAre(HasSubstr("1 warm-up step left out"), HasSubstr("7 records lost")));
  EXPECT_EQ(report.title(), "Roofline Model (tiny, Some CPU)");
  EXPECT_EQ(report.ridge_flop_per_byte(), 10);
  EXPECT_EQ(report.roofs(0).label(), "10GB/s");
  EXPECT_EQ(report.roofs(1).label(), "100 GFLOP/s");
  EXPECT_EQ(report.flops_kind(), "model");
}

TEST(Report, WarmupStepsAreLeftOutOfEverything) {
  TraceBuilder warm;
  add_decode(warm, 50'000, {.warmup = true}, 1500);
  add_decode(warm, 100'000);
  TraceBuilder cold;
  add_decode(cold, 100'000);
  Report with = build_report({warm.path()});
  Report without = build_report({cold.path()});
  with.mutable_runs(0)->set_warmup_steps(0);
  with.clear_notes();
  EXPECT_EQ(report_json(with), report_json(without));
}

TEST(Report, TitlesUseDisplayNames) {
  Meta meta = tiny_meta();
  meta.model.name = "llama-7b";
  meta.dtype = "bf16";
  meta.devices[0].name = "NVIDIA RTX A6000";
  meta.roofs.clear();
  TraceBuilder trace(meta);
  add_decode(trace, 100'000);
  const Report own = build_report({trace.path()});
  EXPECT_EQ(own.title(), "Roofline Model (Llama 7B, A6000)");
  EXPECT_EQ(own.points(0).device(), "a6000");
  EXPECT_EQ(own.points(0).roof(), "datasheet:bf16");
  ReportOptions options;
  options.device = "a6000-paper";
  const Report paper = build_report({trace.path()}, options);
  EXPECT_EQ(paper.title(), "Roofline Model (Llama 7B, A6000)");
  EXPECT_EQ(paper.points(0).device(), "a6000-paper");
  EXPECT_EQ(paper.roofs(1).label(), "181 TFLOP/s");
  EXPECT_NEAR(paper.ridge_flop_per_byte(), 235.7, 0.05);
  options.device = "a6001";
  EXPECT_THROW(build_report({trace.path()}, options), InputError);
}

TEST(Report, RunsAreBinnedByPowersOfTwoAndSweepsAreNot) {
  for (const bool sweep : {false, true}) {
    Meta meta = tiny_meta();
    meta.sweep = sweep;
    TraceBuilder trace(meta);
    std::int64_t begin = 100'000;
    for (const std::uint32_t length : {15U, 16U, 31U, 32U}) {
      add_decode(trace, begin += 100'000, {.batch = 3, .query_tokens = 5, .length = length});
    }
    const Report report = build_report({trace.path()});
    std::vector<std::vector<std::uint64_t>> cells;
    for (const Point& point : report.points()) {
      if (point.operator_() != "qk_pv") continue;
      cells.push_back({point.batch(), point.query_tokens(), point.length(), point.repeats()});
    }
    using Row = std::vector<std::uint64_t>;
    if (sweep) {
      EXPECT_THAT(cells, ElementsAre(Row{3, 5, 15, 1}, Row{3, 5, 16, 1}, Row{3, 5, 31, 1},
                                     Row{3, 5, 32, 1}));
    } else {
      EXPECT_THAT(cells, ElementsAre(Row{2, 4, 8, 1}, Row{2, 4, 16, 2}, Row{2, 4, 32, 1}));
      // The mean of the two lengths in the bin, exactly.
      EXPECT_EQ(point_of(report, "qk_pv").flops(), 4.0 * 4 * 2 * 3 * 5 * 15);
      EXPECT_EQ(report.points(0).batch(), 2U);
    }
  }
}

TEST(Report, RaggedStepsUseTheirSums) {
  TraceBuilder trace;
  ScopeRecord step;
  step.id = trace.next_scope();
  step.kind = ScopeKind::kStep;
  step.begin = {1000};
  step.end = {2000};
  step.phase = Phase::kMixed;
  step.batch = 2;
  step.query_tokens = 4;  // a chunk of 7 at length 20, and a decode at length 33
  step.length = 27;
  step.total_query_tokens = 8;
  step.total_keys = 53;
  step.attention_pairs = 7 * 20 + 33;
  step.causal_pairs = 7 * 20 - 21 + 33;
  step.logit_rows = 1;
  trace.op(step.id, kQkPv, 0, 1000, 1500);
  trace.op(step.id, kLmHead, -1, 1500, 1600);
  ASSERT_TRUE(trace.writer().add(step).ok());
  const Report report = build_report({trace.path()});
  const Point& attention = point_of(report, "qk_pv", "mixed");
  EXPECT_EQ(attention.series(), "");  // a mixed step is in none of the six
  EXPECT_EQ(attention.flops(), 4.0 * 4 * 2 * (7 * 20 + 33));
  EXPECT_EQ(attention.dram_bytes(), 4.0 * (2 * 4 * 2 * 8 + 2 * 2 * 2 * 53));
  EXPECT_EQ(attention.length(), 16U);
  EXPECT_EQ(point_of(report, "lm_head", "mixed").flops(), 2.0 * 8 * 20);
  EXPECT_THAT(row_names(report),
              ElementsAre("qk_pv mixed", "lm_head mixed", "unclassified", "idle"));
}

TEST(Report, CausalKernelsAndSeparateProductsShowInTheVariant) {
  Meta meta = tiny_meta();
  meta.causal_skip = true;
  meta.attention = "unfused";
  TraceBuilder trace(meta);
  const ScopeId step =
      trace.begin_step({.phase = Phase::kInit, .query_tokens = 6, .length = 6}, 1000);
  std::int64_t t = 1000;
  for (const Operator op : {kQ, kK, kV, kQk, kSoftmax, kPv, kGate, kUp, kDown}) {
    trace.op(step, op, 0, t, t + 10);
    t += 10;
  }
  trace.end_step(step, 2000);
  const Report report = build_report({trace.path()});
  const Point& qkv = point_of(report, "qkv", "init");
  EXPECT_EQ(qkv.variant(), "separate,causal");
  EXPECT_EQ(qkv.attention(), "unfused");
  EXPECT_EQ(qkv.calls(), 3);
  EXPECT_EQ(qkv.flops(), 2 * 6 * 8 * 16);
  EXPECT_EQ(qkv.dram_bytes(), 4 * (8 * 16 + 3 * 6 * 8 + 6 * 16));
  EXPECT_EQ(point_of(report, "qk_pv", "init").flops(), 4 * 4 * 2 * 21);  // 21 pairs of 36 are kept
  EXPECT_EQ(point_of(report, "softmax", "init").flops(), 5 * 4 * 21);
}

TEST(Report, AnUnknownModelLeavesFiguresAbsentNeverZero) {
  Meta meta = tiny_meta();
  meta.model = {};
  TraceBuilder trace(meta);
  add_decode(trace, 100'000);
  const Report report = build_report({trace.path()});
  ASSERT_EQ(report.points_size(), 6);
  for (const Point& point : report.points()) {
    EXPECT_FALSE(point.has_flops() || point.has_dram_bytes() || point.has_model_bytes() ||
                 point.has_intensity() || point.has_flops_per_s() || point.has_roof_fraction());
    EXPECT_EQ(point.flops_source() + point.bytes_source() + point.bound() + point.roof(), "");
    EXPECT_GT(point.time_s(), 0);
    EXPECT_EQ(point.time_source(), "MEASURED");
  }
  for (const RowTotal& row : report.rows()) {
    EXPECT_FALSE(row.has_flops() || row.has_bytes() || row.has_roof_fraction()) << row.name();
  }
  EXPECT_EQ(report.title(), "Roofline Model (Some CPU)");
}

TEST(Report, CountersReplaceModelledBytesAndTheWeakestSourceShows) {
  TraceBuilder trace;
  const ScopeId step = trace.begin_step({}, 1000);
  const KernelId gate_up = trace.op(step, kGateUp, 0, 1000, 1100);
  const KernelId down = trace.op(step, kDown, 0, 1100, 1200);
  const KernelId head = trace.op(step, kLmHead, -1, 1200, 1300);
  trace.end_step(step, 1300);
  for (const KernelId kernel : {gate_up, head}) {
    trace.counter(kernel, "dram__bytes_read.sum", 2000);
    trace.counter(kernel, "dram__bytes_write.sum", 500, Provenance::kJoined);
    trace.counter(kernel, "lts__t_bytes.sum", 9000);
    trace.counter(kernel, "sm__ops_path_tensor_src_fp8_sparsity_off.sum", 4096);
  }
  trace.counter(down, "dram__bytes_read.sum", 77);  // no writes: not a measurement
  const Report report = build_report({trace.path()});

  const Point& lm_head = point_of(report, "lm_head");
  EXPECT_EQ(lm_head.dram_bytes(), 2500);
  EXPECT_EQ(lm_head.bytes_source(), "JOINED");
  EXPECT_EQ(lm_head.model_bytes(), 4 * (8 * 20 + 8 + 20));
  EXPECT_EQ(lm_head.l2_bytes(), 9000);
  EXPECT_EQ(lm_head.hardware_flops(), 4096);
  EXPECT_EQ(lm_head.flops(), 2 * 8 * 20);
  EXPECT_DOUBLE_EQ(lm_head.intensity(), 2 * 8 * 20 / 2500.0);

  const Point& mlp = point_of(report, "up_gate_down");
  EXPECT_EQ(mlp.dram_bytes(), 2500 + 4 * (12 * 8 + 12 + 8));
  EXPECT_EQ(mlp.bytes_source(), "MODELLED");
  EXPECT_FALSE(mlp.has_l2_bytes());
  EXPECT_FALSE(mlp.has_hardware_flops());

  ReportOptions options;
  options.flops = FlopsKind::kHardware;
  const Report hardware = build_report({trace.path()}, options);
  EXPECT_EQ(hardware.flops_kind(), "hardware");
  EXPECT_EQ(point_of(hardware, "lm_head").flops(), 4096);
  EXPECT_EQ(point_of(hardware, "lm_head").flops_source(), "MEASURED");
  EXPECT_FALSE(point_of(hardware, "up_gate_down").has_flops());

  EXPECT_THAT(report.findings(),
              testing::Contains(testing::Property(
                  &Finding::text, HasSubstr("lm_head ar at batch 1, length 8 moves 3.32 times"))));
}

TEST(Report, HardwareFlopsArePlottedWhereNoShapeIsKnown) {
  Meta meta = tiny_meta();
  meta.model = {};
  TraceBuilder trace(meta);
  const ScopeId step = trace.begin_step({}, 1000);
  const KernelId head = trace.op(step, kLmHead, -1, 1200, 1300);
  trace.end_step(step, 1300);
  trace.counter(head, "sm__ops_path_tensor_src_fp8_sparsity_off.sum", 4096);
  const Report report = build_report({trace.path()});
  EXPECT_EQ(point_of(report, "lm_head").flops(), 4096);
  EXPECT_EQ(point_of(report, "lm_head").flops_source(), "MEASURED");
}

TEST(Report, FindingsAreMadeOfShownFigures) {
  TraceBuilder trace;
  add_decode(trace, 100'000);
  const Report report = build_report({trace.path()});
  ASSERT_GE(report.findings_size(), 2);
  EXPECT_EQ(report.findings(0).text(),
            "up/gate/down ar takes the largest share of device time, 30.0 %, at 4.5 % of its roof "
            "(memory-bound).");
  EXPECT_EQ(report.findings(1).text(), "The devices are idle 5.0 % of the time of the steps.");
}

TEST(ReportJson, RoundTripsAndKeepsAbsentFiguresAbsent) {
  TraceBuilder trace;
  add_decode(trace, 100'000);
  const Report report = build_report({trace.path()});
  const std::string text = report_json(report);
  EXPECT_EQ(report_json(report), text);  // the same bytes every time, maps included
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
      report_from_json(text, "report.json"), report));
  EXPECT_THAT(text, HasSubstr("\"ridge_flop_per_byte\": 10"));
  EXPECT_THAT(text, HasSubstr("\"time_spread_s\": 0"));  // known to be 0
  EXPECT_THAT(text, Not(HasSubstr("hardware_flops")));   // not known
  EXPECT_THROW(report_from_json("{\"points\": 3}", "x.json"), InputError);
  EXPECT_THROW(report_from_json("", "x.json"), InputError);
}

}  // namespace
}  // namespace rooftop
