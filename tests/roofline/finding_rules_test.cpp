// Each rule with a report that triggers it and one that just does not.
#include "profiler/roofline/finding_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rooftop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> texts(const Report& report, std::string_view kind) {
  std::vector<std::string> all;
  for (const Finding& finding : report.findings()) {
    if (finding.kind() == kind) all.push_back(finding.text());
  }
  return all;
}

RowTotal& add_row(Report& report, const char* series, double time_s, std::uint64_t calls,
                  double fraction, const char* bound) {
  RowTotal& row = *report.add_rows();
  row.set_name(series);
  row.set_series(series);
  row.set_time_s(time_s);
  row.set_calls(calls);
  row.set_roof_fraction(fraction);
  row.set_bound(bound);
  row.set_roof("measured:bf16");
  return row;
}

std::string bottleneck(double time_s, std::uint64_t calls, double fraction, const char* bound) {
  Report report;
  add_row(report, "qkv mlp ar", time_s, calls, fraction, bound);
  add_bottlenecks(report);
  const auto found = texts(report, "bottleneck");
  return found.empty() ? "" : found.front();
}

TEST(Bottleneck, MemoryAndCompute) {
  EXPECT_EQ(bottleneck(1, 100, 0.71, "memory"),
            "qkv mlp ar is DRAM-bound at 71.0 % of measured bandwidth.");
  EXPECT_EQ(bottleneck(1, 100, 0.71, "compute"),
            "qkv mlp ar is compute-bound at 71.0 % of the measured peak.");
}

TEST(Bottleneck, ShortKernelsFarBelowTheRoofAreLatencyBound) {
  EXPECT_EQ(bottleneck(600e-6, 100, 0.2, "memory"),
            "qkv mlp ar is latency-bound: kernels of 6.0 us reach 20.0 % of the roof.");
  EXPECT_THAT(bottleneck(1001e-6, 100, 0.2, "memory"), HasSubstr("DRAM-bound")) << "10.01 us each";
  EXPECT_THAT(bottleneck(600e-6, 100, 0.5, "memory"), HasSubstr("DRAM-bound")) << "half the roof";
}

TEST(Bottleneck, SaysNothingWithoutARoof) {
  Report report;
  add_row(report, "qkv mlp ar", 1, 10, 0.5, "memory").clear_roof_fraction();
  add_row(report, "", 1, 10, 0.5, "memory");
  add_bottlenecks(report);
  EXPECT_THAT(texts(report, "bottleneck"), IsEmpty());
}

Point& add_point(Report& report, const char* op, const char* series, double time_s, double flops,
                 double bytes) {
  Point& p = *report.add_points();
  p.set_run("r");
  p.set_device("a40");
  p.set_dtype("bf16");
  p.set_operator_(op);
  p.set_series(series);
  p.set_phase("ar");
  p.set_batch(4);
  p.set_query_tokens(1);
  p.set_length(512);
  p.set_layers(1);
  p.set_repeats(1);
  p.set_time_s(time_s);
  p.set_flops(flops);
  p.set_dram_bytes(bytes);
  p.set_model_bytes(bytes);
  p.set_roof_fraction(0.5);
  p.set_bytes_source("MEASURED");
  return p;
}

TEST(Bottleneck, CountedBytesFarAboveTheCompulsoryOnesAreTold) {
  for (const auto& [counted, told] : {std::pair{2.3e6, true}, std::pair{1.09e6, false}}) {
    Report report;
    add_row(report, "qkv mlp ar", 1, 10, 0.6, "memory");
    add_point(report, "qkv", "qkv mlp ar", 1, 1e6, counted).set_model_bytes(1e6);
    add_bottlenecks(report);
    const std::string text = texts(report, "bottleneck").front();
    EXPECT_EQ(text.find("moves 2.3 times its compulsory bytes") != std::string::npos, told) << text;
  }
  Report modelled;
  add_row(modelled, "qkv mlp ar", 1, 10, 0.6, "memory");
  Point& p = add_point(modelled, "qkv", "qkv mlp ar", 1, 1e6, 2.3e6);
  p.set_model_bytes(1e6);
  p.set_bytes_source("MODELLED");
  add_bottlenecks(modelled);
  EXPECT_THAT(texts(modelled, "bottleneck").front(), Not(HasSubstr("moves")));
}

TEST(Potential, RanksByTheTimeThatWouldBeWon) {
  Report report;
  add_row(report, "near the roof", 6, 1, 0.95, "memory");  // 0.3 s
  add_row(report, "far below", 2, 1, 0.25, "memory");      // 1.5 s
  add_row(report, "above", 2, 1, 1.1, "memory");
  add_potential(report);
  EXPECT_THAT(texts(report, "potential"),
              ::testing::ElementsAre("Most would be won at the roof in far below (15.0 % of all "
                                     "time), then near the roof (3.0 % of all time)."));
  Report at_roof;
  add_row(at_roof, "on it", 1, 1, 1, "memory");
  add_potential(at_roof);
  EXPECT_THAT(texts(at_roof, "potential"), IsEmpty());
}

// A decode step of one layer: h 1024, 16 heads of 64, so that qkv has 3 * 2^20 weights.
Report decode_report(double kv_heads) {
  Report report;
  Run& run = *report.add_runs();
  run.set_name("r");
  auto& shape = *run.mutable_shape();
  shape.set_hidden(1024);
  shape.set_heads(16);
  shape.set_kv_heads(static_cast<std::uint32_t>(kv_heads));
  shape.set_head_dim(64);
  shape.set_ffn(4096);
  for (const auto& [kind, value] : {std::pair{"bandwidth", 1e12}, std::pair{"compute", 100e12}}) {
    Roof& roof = *report.add_roofs();
    roof.set_device("a40");
    roof.set_kind(kind);
    roof.set_value(value);
    roof.set_drawn(true);
  }
  const double weights = 2 * 1024.0 * (16 + 2 * kv_heads) * 64;
  add_point(report, "qkv", "qkv mlp ar", 2 * weights / 1e12, 4 * weights, weights);
  return report;
}

std::string what_if(const Report& before, std::string_view what) {
  Report report = before;
  add_what_ifs(report, DeviceTable::built_in());
  for (const std::string& text : texts(report, "what_if")) {
    if (text.find(what) != std::string::npos) return text;
  }
  return "";
}

TEST(WhatIf, WeightsOfFewerBytesShortenWhatReadsThem) {
  const Report report = decode_report(16);
  EXPECT_THAT(what_if(report, "fp8"), HasSubstr("0.50 times as long"));
  EXPECT_THAT(what_if(report, "int4"), HasSubstr("0.25 times as long"));
}

TEST(WhatIf, ALargerBatchReadsTheSameWeights) {
  EXPECT_THAT(what_if(decode_report(16), "batch x2"),
              AllOf(HasSubstr("1.00 times as long"), HasSubstr("2.00 times the tokens a second")));
}

TEST(WhatIf, ContextOnlyConcernsAttention) {
  Report report = decode_report(16);
  EXPECT_THAT(what_if(report, "context x4"), HasSubstr("1.00 times as long"));
  const double cache = 2 * 2.0 * 4 * 16 * 64 * 512;
  report.clear_points();
  add_point(report, "qk_pv", "qk/pv ar", 1e-3, cache / 2, cache);
  EXPECT_THAT(what_if(report, "context x4"), HasSubstr("4.00 times as long"));
  EXPECT_THAT(what_if(report, "fp8"), HasSubstr("1.00 times as long"));
}

TEST(WhatIf, GroupedHeadsOnlyWhereThereAreMore) {
  EXPECT_THAT(what_if(decode_report(16), "GQA"), HasSubstr("0.67 times as long"));
  EXPECT_THAT(what_if(decode_report(8), "GQA"), IsEmpty());
}

TEST(WhatIf, AnotherGpuHasOtherRoofs) {
  EXPECT_THAT(what_if(decode_report(16), "H100 SXM"), HasSubstr("0.30 times as long"));
}

TEST(WhatIf, LaunchesThatTakeTheTimeOfALaunchStaySo) {
  for (const auto& [calls, ratio] : {std::pair{1.0, "2.00"}, std::pair{100.0, "1.10"}}) {
    Report report = decode_report(16);
    Point& p = *report.mutable_points(0);
    p.set_operator_("residual");
    p.set_dram_bytes(100e6);  // 100 us on the roof
    p.set_flops(1e6);
    p.set_time_s(999e-6);
    p.set_roof_fraction(0.1);
    p.set_calls(calls);
    EXPECT_THAT(what_if(report, "batch x2"), HasSubstr(std::string(ratio) + " times as long"));
  }
}

TEST(WhatIf, NothingWithoutRoofsOrDecodeSteps) {
  Report no_roofs = decode_report(16);
  no_roofs.clear_roofs();
  EXPECT_THAT(what_if(no_roofs, "What if"), IsEmpty());
  Report prefill = decode_report(16);
  prefill.mutable_points(0)->set_phase("init");
  EXPECT_THAT(what_if(prefill, "decode"), IsEmpty());
}

// The A40 has int8 at twice its bf16, and no fp8.
TEST(WhatIf, NarrowTypesHaveTheirOwnComputeRoof) {
  Report report = decode_report(16);
  EXPECT_THAT(what_if(report, "in int8 as a whole"),
              AllOf(HasSubstr("299.3 TFLOP/s (2 times that of bf16)"),
                    HasSubstr("decode steps would take 0.50 times as long")));
  EXPECT_THAT(what_if(report, "in fp8 as a whole"), IsEmpty());
  // A compute-bound prefill is as much shorter as the roof is higher; attention stays as it is.
  Point& p = *report.mutable_points(0);
  p.set_phase("init");
  p.set_flops(1e12);
  EXPECT_THAT(what_if(report, "in int8 as a whole"),
              AllOf(HasSubstr("prefill steps would take 0.50"), Not(HasSubstr("decode"))));
  p.set_operator_("qk_pv");
  p.set_series("qk/pv init");
  EXPECT_THAT(what_if(report, "in int8 as a whole"), HasSubstr("prefill steps would take 1.00"));
  report.mutable_roofs(0)->set_device("my-gpu");
  report.mutable_roofs(1)->set_device("my-gpu");
  p.set_device("my-gpu");
  EXPECT_THAT(what_if(report, "as a whole"), IsEmpty()) << "a device that is not in the table";
}

TEST(Speculation, StepsWithCandidatesAreComparedWithThePlainOne) {
  Report report = decode_report(16);
  Point many = report.points(0);
  many.set_query_tokens(64);
  many.set_time_s(2.5 * many.time_s());
  *report.add_points() = many;
  add_speculation(report);
  EXPECT_THAT(
      texts(report, "speculation"),
      ::testing::ElementsAre(
          "At batch 4 and length 512, a step of 64 candidates a sequence takes 2.50 times the "
          "plain step: it pays where more than 2.50 tokens are accepted."));
}

TEST(Speculation, WithoutThemTheRoofSaysWhatTheyWouldCost) {
  Report report = decode_report(16);
  add_speculation(report);
  // 4 FLOP a byte, times 16, lie below the ridge of 100: as long as the plain step.
  ASSERT_EQ(texts(report, "speculation").size(), 1U);
  EXPECT_THAT(texts(report, "speculation").front(),
              AllOf(HasSubstr("would take 1.00 times"), HasSubstr("16 candidates")));
  Report longer = decode_report(16);
  Point p = longer.points(0);
  p.set_length(1024);
  *longer.add_points() = p;
  add_speculation(longer);
  ASSERT_EQ(texts(longer, "speculation").size(), 1U);
  EXPECT_THAT(texts(longer, "speculation").front(), HasSubstr("lengths 512 to 1024"));
  Report prefill = decode_report(16);
  prefill.mutable_points(0)->set_phase("init");
  add_speculation(prefill);
  EXPECT_THAT(texts(prefill, "speculation"), IsEmpty());
}

}  // namespace
}  // namespace rooftop
