// Findings from traces: for each rule one that triggers it and one that just does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "profiler/roofline/report.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using enum Operator;

// A layer whose products take milliseconds on the roofs of tiny_meta(): 10 GB/s, 100 GFLOP/s.
Meta meta_of(std::uint32_t kv_heads = 16) {
  Meta meta = tiny_meta();
  meta.model = {.name = "one-layer",
                .hidden = 1024,
                .layers = 1,
                .heads = 16,
                .kv_heads = kv_heads,
                .head_dim = 64,
                .ffn = 4096,
                .vocab = 1000,
                .tied_embeddings = false,
                .max_positions = 4096};
  return meta;
}

constexpr double kQkvWeights = 1024.0 * 3 * 1024;
constexpr double kBandwidth = 10e9;
constexpr double kPeak = 100e9;

double qkv_flops(double rows) { return 2 * rows * kQkvWeights; }
double qkv_bytes(double rows) { return 4 * (kQkvWeights + rows * (1024 + 3072)); }
std::int64_t ns(double seconds) { return static_cast<std::int64_t>(seconds * 1e9 + 0.5); }

// Steps one after another, each of a single launch.
class Findings : public testing::Test {
 protected:
  KernelId step(TraceBuilder& trace, const StepFacts& facts, Operator op, double seconds,
                double idle_seconds = 0) {
    const ScopeId id = trace.begin_step(facts, now_);
    const KernelId kernel = trace.op(id, op, 0, now_, now_ + ns(seconds));
    now_ += ns(seconds) + ns(idle_seconds);
    trace.end_step(id, now_);
    return kernel;
  }
  static std::vector<std::string> texts(TraceBuilder& trace, std::string_view kind,
                                        const ReportOptions& options = {}) {
    std::vector<std::string> all;
    const Report report = build_report({trace.path()}, options);
    for (const Finding& finding : report.findings()) {
      if (finding.kind() == kind) all.push_back(finding.text());
    }
    return all;
  }
  // What a trace of one decode of qkv says whose kernel counted so many times the compulsory
  // bytes and the shapes' FLOPs.
  static std::vector<std::string> counted(std::string_view kind, double bytes, double flops) {
    TraceBuilder trace(meta_of());
    const ScopeId id = trace.begin_step({}, 1000);
    const KernelId kernel = trace.op(id, kQkv, 0, 1000, 1000 + ns(0.01));
    trace.end_step(id, 1000 + ns(0.01));
    trace.counter(kernel, "dram__bytes_read.sum", bytes * qkv_bytes(1));
    trace.counter(kernel, "dram__bytes_write.sum", 0);
    trace.counter(kernel, "sm__ops_path_tensor_src_bf16_dst_fp32.sum", flops * qkv_flops(1));
    return texts(trace, kind);
  }

  std::int64_t now_ = 1000;
};

TEST_F(Findings, BottleneckMemory) {
  TraceBuilder trace(meta_of());
  step(trace, {}, kQkv, qkv_bytes(1) / kBandwidth / 0.71);
  EXPECT_THAT(texts(trace, "bottleneck"),
              ElementsAre("qkv mlp ar is DRAM-bound at 71.0 % of measured bandwidth."));
}

// The ridge is at 10 FLOP/byte: 21 rows are at 10.2, 20 at 9.8.
TEST_F(Findings, BottleneckComputeBeginsAtTheRidge) {
  for (const auto& [rows, bound] :
       {std::pair{21U, "compute-bound"}, std::pair{20U, "DRAM-bound"}}) {
    TraceBuilder trace(meta_of());
    step(trace, {.phase = Phase::kInit, .query_tokens = rows, .length = rows}, kQkv,
         std::max(qkv_flops(rows) / kPeak, qkv_bytes(rows) / kBandwidth) / 0.8);
    const auto found = texts(trace, "bottleneck");
    ASSERT_THAT(found, SizeIs(1)) << rows;
    EXPECT_THAT(found[0], HasSubstr("qkv mlp init is " + std::string(bound) + " at 80.0 %"));
  }
}

// One row of tiny_model()'s qkv is 608 bytes: 60.8 ns on the roof.
TEST_F(Findings, BottleneckLatency) {
  struct Case {
    double seconds;
    const char* text;
  };
  for (const auto& [seconds, text] :
       {Case{9.99e-6, "latency-bound: kernels of 10.0 us reach 0.6 % of the roof"},
        Case{10.01e-6, "DRAM-bound at 0.6 %"}, Case{123e-9, "latency-bound: kernels of 0.1 us"},
        Case{121e-9, "DRAM-bound at 50.2 %"}}) {
    TraceBuilder trace;
    step(trace, {}, kQkv, seconds);
    const auto found = texts(trace, "bottleneck");
    ASSERT_THAT(found, SizeIs(1)) << text;
    EXPECT_THAT(found[0], HasSubstr(text));
  }
}

TEST_F(Findings, Amplification) {
  EXPECT_THAT(counted("amplification", 1.11, 1),
              ElementsAre(HasSubstr("qkv ar at batch 1, length 8 moves 1.11 times")));
  EXPECT_THAT(counted("amplification", 1.09, 1), IsEmpty());
  EXPECT_THAT(counted("bottleneck", 2.3, 1),
              ElementsAre(HasSubstr("moves 2.3 times its compulsory bytes")));
  EXPECT_THAT(counted("bottleneck", 1.09, 1), ElementsAre(Not(HasSubstr("moves"))));
}

TEST_F(Findings, BytesThatCachesHeld) {
  EXPECT_THAT(counted("cached", 0.79, 1), ElementsAre(HasSubstr("moves only 0.79")));
  EXPECT_THAT(counted("cached", 0.81, 1), IsEmpty());
}

TEST_F(Findings, PaddingAndMissedWork) {
  EXPECT_THAT(counted("padding", 1, 1.26), ElementsAre(HasSubstr("executes 1.26 times")));
  EXPECT_THAT(counted("padding", 1, 1.24), IsEmpty());
  EXPECT_THAT(counted("missed_work", 1, 0.97), ElementsAre(HasSubstr("saw 0.97 of the FLOPs")));
  EXPECT_THAT(counted("missed_work", 1, 0.99), IsEmpty());
}

TEST_F(Findings, Idle) {
  for (const auto& [idle, told] : {std::pair{0.051, true}, std::pair{0.049, false}}) {
    TraceBuilder trace(meta_of());
    step(trace, {}, kQkv, 1 - idle, idle);
    EXPECT_EQ(texts(trace, "idle").size(), told ? 1U : 0U) << idle;
  }
}

TEST_F(Findings, Overlap) {
  for (const auto& [overlap, told] : {std::pair{0.011, true}, std::pair{0.009, false}}) {
    TraceBuilder trace(meta_of());
    const ScopeId id = trace.begin_step({}, now_);
    trace.op(id, kQkv, 0, now_, now_ + ns(0.5 + overlap));
    trace.op(id, kOProj, 0, now_ + ns(0.5), now_ + ns(1));
    trace.end_step(id, now_ + ns(1));
    EXPECT_EQ(texts(trace, "overlap").size(), told ? 1U : 0U) << overlap;
  }
}

TEST_F(Findings, LargestShare) {
  TraceBuilder trace(meta_of());
  step(trace, {}, kQkv, 0.4);
  step(trace, {}, kOProj, 0.6);
  EXPECT_THAT(texts(trace, "largest_share"),
              ElementsAre(HasSubstr("o_proj ar takes the largest share of device time, 60.0 %")));
  TraceBuilder empty(meta_of());
  empty.end_step(empty.begin_step({}, 0), 1000);
  EXPECT_THAT(texts(empty, "largest_share"), IsEmpty());
}

TEST_F(Findings, Potential) {
  const double floor = qkv_bytes(1) / kBandwidth;
  TraceBuilder half(meta_of());
  step(half, {}, kQkv, 2 * floor);
  EXPECT_THAT(texts(half, "potential"),
              ElementsAre("Most would be won at the roof in qkv mlp ar (50.0 % of all time)."));
  TraceBuilder full(meta_of());
  step(full, {}, kQkv, 0.999 * floor);
  EXPECT_THAT(texts(full, "potential"), IsEmpty());
}

TEST_F(Findings, WhatIfs) {
  TraceBuilder decode(meta_of());
  step(decode, {.length = 512}, kQkv, 2 * qkv_bytes(1) / kBandwidth);
  EXPECT_THAT(texts(decode, "what_if"),
              ElementsAre(HasSubstr("weights in fp8, decode steps would take 0.25 times"),
                          HasSubstr("weights in int4, decode steps would take 0.13 times"),
                          HasSubstr("batch x2"),
                          HasSubstr("context x4, decode steps would take "
                                    "1.00 times"),
                          HasSubstr("8 KV heads (GQA), decode steps would take 0.67 times"),
                          HasSubstr("on H100 SXM")));
  TraceBuilder grouped(meta_of(8));
  step(grouped, {.length = 512}, kQkv, 0.01);
  EXPECT_THAT(texts(grouped, "what_if"), Not(testing::Contains(HasSubstr("GQA"))));
  TraceBuilder prefill(meta_of());
  step(prefill, {.phase = Phase::kInit, .query_tokens = 512, .length = 512}, kQkv, 1);
  EXPECT_THAT(texts(prefill, "what_if"), IsEmpty());
}

TEST_F(Findings, WhatIfNarrowTypesWhereTheTableHasTheirPeak) {
  Meta meta = meta_of();
  meta.dtype = "bf16";
  meta.weight_bytes = meta.activation_bytes = meta.kv_bytes = 2;
  for (const auto& [device, types] : {std::pair{"h100-sxm", 2U}, std::pair{"a40", 1U}}) {
    TraceBuilder trace(meta);
    step(trace, {.phase = Phase::kInit, .query_tokens = 4096, .length = 4096}, kQkv, 0.001);
    ReportOptions options;
    options.device = device;
    options.roofs = RoofSource::kDatasheet;
    const auto found = texts(trace, "what_if", options);
    ASSERT_THAT(found, SizeIs(types)) << device;
    EXPECT_THAT(found.back(), HasSubstr("in int8 as a whole"));
    EXPECT_THAT(found.back(), HasSubstr("prefill steps would take 0.5"));
  }
}

TEST_F(Findings, Speculation) {
  TraceBuilder both(meta_of());
  step(both, {.length = 512}, kQkv, 0.002);
  step(both, {.query_tokens = 64, .length = 512}, kQkv, 0.005);
  EXPECT_THAT(texts(both, "speculation"),
              ElementsAre("At batch 1 and length 512, a step of 64 candidates a sequence takes "
                          "2.50 times the plain step: it pays where more than 2.50 tokens are "
                          "accepted."));
  TraceBuilder plain(meta_of());
  step(plain, {.length = 512}, kQkv, 2 * qkv_bytes(1) / kBandwidth);
  EXPECT_THAT(texts(plain, "speculation"), ElementsAre(HasSubstr("(what if)")));
  TraceBuilder prefill(meta_of());
  step(prefill, {.phase = Phase::kInit, .query_tokens = 512, .length = 512}, kQkv, 1);
  EXPECT_THAT(texts(prefill, "speculation"), IsEmpty());
}

}  // namespace
}  // namespace rooftop
