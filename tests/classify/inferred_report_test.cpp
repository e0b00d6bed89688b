// Reports of recordings without scopes of ours, as importers write them.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "profiler/roofline/launch_stream.h"
#include "profiler/roofline/report.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

Meta foreign_meta() {
  Meta meta = tiny_meta();
  meta.model = {};
  meta.layers_run = 0;
  meta.dtype.clear();
  meta.attention.clear();
  meta.weight_bytes = meta.activation_bytes = meta.kv_bytes = 0;
  meta.capture = "PyTorch profiler";
  return meta;
}

constexpr char kGemm[] =
    "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_relu_bf16_64x64_64x6_tn_align8>";

// A decode step of a model of two layers: h 8, n 4, d 2, fused QKV and gate/up, FFN 12, batch 3.
class ForeignTrace {
 public:
  ForeignTrace() : ForeignTrace("[20,8][3,1]", "[3,8][8,20]", "[3,4,1,2][3,2,9,2][3,2,9,2]") {}
  // Shapes of the embedding, of the head, and of attention's call.
  ForeignTrace(std::string embedding, std::string head, std::string attention)
      : trace_(foreign_meta()),
        embedding_(std::move(embedding)),
        head_(std::move(head)),
        attention_(std::move(attention)) {}

  void step() {
    kernel("aten::embedding", embedding_, "indexSelectSmallIndex<c10::BFloat16>");
    for (int layer = 0; layer < 2; ++layer) {
      kernel("aten::rms_norm", "[3,1,8][][8]", "fused_norm_of_some_kind");
      kernel("aten::mm", "[3,8][8,16]", kGemm);
      kernel("", "", "rotary_embedding_kernel");
      kernel("aten::scaled_dot_product_attention", attention_,
             "flash::flash_fwd_splitkv_kernel<128>");
      kernel("aten::scaled_dot_product_attention", attention_,
             "flash::merge_attn_states_kernel<128>");
      kernel("aten::mm", "[3,8][8,8]", kGemm);
      kernel("aten::rms_norm", "[3,1,8][][8]", "fused_norm_of_some_kind");
      kernel("aten::mm", "[3,8][8,24]", kGemm);
      kernel("", "", "act_and_mul_kernel");
      kernel("aten::mm", "[3,12][12,8]", kGemm);
    }
    kernel("aten::rms_norm", "[3,1,8][][8]", "fused_norm_of_some_kind");
    kernel("aten::mm", head_, kGemm);
    kernel("", "", "a_kernel_that_nobody_knows");
  }

  const std::string& path() { return trace_.path(); }

 private:
  void kernel(const std::string& range, const std::string& args, const std::string& name) {
    ScopeId scope = 0;
    if (!range.empty()) {
      ScopeRecord record;
      record.id = scope = trace_.next_scope();
      record.kind = ScopeKind::kForeign;
      record.name = trace_.writer().intern(range);
      record.args = trace_.writer().intern(args);
      EXPECT_TRUE(trace_.writer().add(record).ok());
    }
    trace_.kernel(scope, now_, now_ + 1000, 0, name);
    now_ += 1100;
  }

  TraceBuilder trace_;
  std::string embedding_;
  std::string head_;
  std::string attention_;
  std::int64_t now_ = 10'000;
};

const RowTotal* row(const Report& report, const std::string& name) {
  for (const RowTotal& r : report.rows()) {
    if (r.name() == name) return &r;
  }
  return nullptr;
}

TEST(InferredReport, SixSeriesOfARecordingWithShapes) {
  ForeignTrace trace;
  trace.step();
  trace.step();
  trace.step();
  const Report report = build_report({trace.path()}, {});
  EXPECT_EQ(report.runs(0).steps(), 3U);
  EXPECT_EQ(report.runs(0).shape().hidden(), 8U);
  EXPECT_EQ(report.runs(0).shape().layers(), 2U);
  EXPECT_EQ(report.runs(0).shape().heads(), 4U);
  EXPECT_EQ(report.runs(0).shape().kv_heads(), 2U);
  EXPECT_EQ(report.runs(0).shape().ffn(), 12U);
  EXPECT_EQ(report.runs(0).shape().vocab(), 20U);
  EXPECT_EQ(report.runs(0).dtype(), "bf16");

  // 3 steps of 2 layers; batch 3, one row each: 2 * T * in * out.
  const RowTotal* qkv = row(report, "qkv mlp ar");
  ASSERT_NE(qkv, nullptr);
  EXPECT_EQ(qkv->calls(), 6U);
  EXPECT_DOUBLE_EQ(qkv->flops(), 6 * 2.0 * 3 * 8 * 16);
  EXPECT_EQ(qkv->flops_source(), "MODELLED");
  EXPECT_EQ(qkv->time_source(), "MEASURED");
  const RowTotal* mlp = row(report, "up/gate/down ar");
  ASSERT_NE(mlp, nullptr);
  EXPECT_DOUBLE_EQ(mlp->flops(), 6 * (2.0 * 3 * 8 * 24 + 2.0 * 3 * 12 * 8));
  // The kernel that combines the splits is counted with its time, and not a second time with FLOPs.
  const RowTotal* attention = row(report, "qk/pv ar");
  ASSERT_NE(attention, nullptr);
  EXPECT_EQ(attention->calls(), 12U);
  EXPECT_DOUBLE_EQ(attention->flops(), 6 * 4.0 * 3 * 4 * 2 * 9);
  EXPECT_DOUBLE_EQ(row(report, "lm_head ar")->flops(), 3 * 2.0 * 3 * 8 * 20);
  EXPECT_GT(report.shares().at("unclassified"), 0);
  double all = 0;
  for (const auto& [name, share] : report.shares()) all += share;
  EXPECT_NEAR(all, 1, 1e-9);
}

TEST(InferredReport, AsManyRowsOfTheHeadAsTokensAreDecode) {
  const auto phase_of = [](const std::string& tokens) {
    ForeignTrace trace("[20,8][" + tokens + "]", "[" + tokens + ",8][8,20]", "");
    trace.step();
    trace.step();
    const Report report = build_report({trace.path()}, {});
    return row(report, "qkv mlp ar") != nullptr && report.points(0).batch() == 2;
  };
  EXPECT_TRUE(phase_of("3"));
  ForeignTrace prompt("[20,8][3]", "[1,8][8,20]", "");
  prompt.step();
  EXPECT_NE(row(build_report({prompt.path()}, {}), "qkv unknown"), nullptr);
}

TEST(InferredReport, ALaunchThatNothingDecidesIsUnclassified) {
  ForeignTrace trace;
  trace.step();
  trace.step();
  const Report report = build_report({trace.path()}, {});
  EXPECT_EQ(row(report, "unclassified")->calls(), 2U);
  ReportOptions options;
  options.rules.load_user_text("*nobody_knows* -> sampling", "mine.txt");
  EXPECT_EQ(row(build_report({trace.path()}, options), "unclassified")->calls(), 0U);
}

TEST(InferredReport, TheModelThatAUserNamesWins) {
  ForeignTrace trace;
  trace.step();
  ReportOptions options;
  options.model = tiny_model();
  options.model->layers = 2;
  const Report report = build_report({trace.path()}, options);
  EXPECT_EQ(report.runs(0).model(), "tiny");
}

TEST(InferredReport, AnswersMeetTheirLaunchesInEveryReading) {
  ForeignTrace trace;
  for (int i = 0; i < 5; ++i) trace.step();
  const KernelRules rules = KernelRules::built_in();
  const TraceSurvey survey = survey_trace(trace.path(), rules, {});
  trace::Reader reader(trace.path());
  std::uint64_t rope = 0;
  stream_launches(reader, survey, [&](const Launch& launch) {
    if (launch.name == "rotary_embedding_kernel") {
      EXPECT_EQ(launch.classification.op, Operator::kRope);
      EXPECT_EQ(launch.classification.layer, static_cast<std::int32_t>(rope % 2));
      EXPECT_EQ(launch.classification.step, rope / 2);
      ++rope;
    }
  });
  EXPECT_EQ(rope, 10U);
}

TEST(InferredReport, WithoutAnyStructureAllTimeIsStillAccountedFor) {
  TraceBuilder trace(foreign_meta());
  trace.kernel(0, 100, 200, 0, "what");
  trace.kernel(0, 200, 300, 0, "rms_norm");
  const Report report = build_report({trace.path()}, {});
  EXPECT_EQ(report.runs(0).steps(), 1U);
  EXPECT_NEAR(report.shares().at("unclassified"), 0.5, 1e-12);
}

// An engine that marks its steps, and nothing within them; its decode steps are CUDA graphs, whose
// kernels know the scope around their launch alone.
TEST(InferredReport, StepsOfOursWithoutOperators) {
  Meta meta = foreign_meta();
  meta.model = tiny_model();
  meta.model.layers = 2;
  meta.capture = "timeline";
  TraceBuilder trace(meta);
  std::int64_t now = 1000;
  for (int i = 0; i < 3; ++i) {
    const bool decode = i > 0;
    const ScopeId step = trace.begin_step(
        {.phase = decode ? Phase::kAr : Phase::kInit, .batch = 2, .query_tokens = decode ? 1U : 8U},
        now);
    const auto kernel = [&](const char* name) {
      KernelRecord record;
      record.id = trace.next_kernel();
      record.begin = {now};
      record.end = {now += 100};
      record.name = trace.writer().intern(name);
      (decode ? record.launch_scope : record.scope) = step;
      record.graph_node = decode ? 100 + record.id : 0;
      EXPECT_TRUE(trace.writer().add(record).ok());
    };
    for (int layer = 0; layer < 2; ++layer) {
      for (const char* name : {"rmsnorm", kGemm, "rope_f16", "flash_attention_f16", kGemm,
                               "rmsnorm", kGemm, "swiglu_f16", kGemm}) {
        kernel(name);
      }
    }
    kernel("rmsnorm");
    kernel(kGemm);
    trace.end_step(step, now);
  }
  const Report report = build_report({trace.path()}, {});
  EXPECT_EQ(report.runs(0).steps(), 3U);
  EXPECT_EQ(row(report, "qkv mlp init")->calls(), 2U);
  EXPECT_EQ(row(report, "qkv mlp ar")->calls(), 4U);
  EXPECT_DOUBLE_EQ(row(report, "qkv mlp init")->flops(), 2 * 2.0 * 16 * 8 * 16);
  EXPECT_EQ(row(report, "lm_head ar")->calls(), 2U);
  EXPECT_EQ(report.shares().at("unclassified"), 0);
}

TEST(InferredReport, ScopesOfOursAreNeverOverruled) {
  TraceBuilder trace([] {
    Meta meta = tiny_meta();
    meta.capture = "timeline";
    return meta;
  }());
  const ScopeId step = trace.begin_step({}, 100);
  const KernelId id = trace.op(step, Operator::kSampling, -1, 100, 200);
  EXPECT_NE(id, 0U);
  trace.kernel(step, 200, 300, 0, "rms_norm");
  trace.end_step(step, 300);
  const Report report = build_report({trace.path()}, {});
  EXPECT_EQ(row(report, "sampling ar")->calls(), 1U);
  EXPECT_EQ(row(report, "norm ar")->calls(), 1U);
}

TEST(InferredReport, RangesThatEncloseEachOtherInACircleEnd) {
  TraceBuilder trace(foreign_meta());
  for (const auto& [id, parent] : {std::pair<ScopeId, ScopeId>{1, 2}, {2, 1}, {3, 3}}) {
    ScopeRecord record;
    record.id = id;
    record.parent = parent;
    record.kind = ScopeKind::kForeign;
    record.name = trace.writer().intern("aten::mm");
    record.args = trace.writer().intern("[4294967295,4294967295][4294967295,4294967295]");
    EXPECT_TRUE(trace.writer().add(record).ok());
  }
  trace.kernel(1, 100, 200, 0, kGemm);
  trace.kernel(3, 200, 300, 0, "flash_fwd_kernel");
  trace.kernel(99, 300, 400, 0, kGemm);
  // An attention kernel that a product's operator launched: the signals disagree.
  EXPECT_DOUBLE_EQ(build_report({trace.path()}, {}).shares().at("unclassified"), 1);
}

}  // namespace
}  // namespace rooftop
