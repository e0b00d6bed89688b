// Worked figures of docs/cost-model.md, most of them published or computed by hand, and the edges.
#include "profiler/model/cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "profiler/model/model_shapes.h"

namespace rooftop {
namespace {

constexpr ElementBytes kBf16{.weight = 2, .activation = 2, .kv = 2};

struct Sum {
  double flops = 0;
  double bytes = 0;
  [[nodiscard]] double intensity() const { return flops / bytes; }
};

// One layer's operators of `ops`, added up.
Sum sum_of(std::initializer_list<Operator> ops, const ModelShape& model, const StepShape& step,
           bool causal_skip = false, ElementBytes bytes = kBf16) {
  Sum sum;
  for (const Operator op : ops) {
    const auto cost = operator_cost(op, 0, model, step, causal_skip);
    EXPECT_TRUE(cost.has_value()) << name_of(op);
    sum.flops += cost->flops;
    sum.bytes += traffic(*cost, bytes)->total();
  }
  return sum;
}

const auto kFusedMlp = {Operator::kGateUpAct, Operator::kDown};
const auto kSeparateMlp = {Operator::kGate, Operator::kUp, Operator::kDown};
const auto kUnfusedAttention = {Operator::kQk, Operator::kPv};

const ModelShape& llama7b() { return named_model("llama-7b").shape; }

// Figures printed to three digits agree with ours when rounded likewise.
void expect_three_digits(double actual, double printed) {
  const double unit = std::pow(10.0, std::floor(std::log10(printed)) - 2);
  EXPECT_NEAR(actual, printed, 0.5 * unit * (1 + 1e-9));
}

TEST(CostWorked, DecodeLinearLayersOfLlama7b) {
  struct Row {
    std::uint32_t batch;
    double qkv_flops, qkv_bytes, qkv_oi, mlp_flops, mlp_bytes, mlp_oi;
  };
  for (const Row& row : {Row{1, 101e6, 101e6, 1.00, 271e6, 271e6, 1.00},
                         Row{16, 1.61e9, 101e6, 15.9, 4.33e9, 272e6, 15.9},
                         Row{64, 6.44e9, 104e6, 62.1, 17.3e9, 276e6, 62.7}}) {
    const StepShape step = uniform_step(row.batch, 1, 128);
    const Sum qkv = sum_of({Operator::kQ, Operator::kK, Operator::kV}, llama7b(), step);
    const Sum mlp = sum_of(kSeparateMlp, llama7b(), step);
    expect_three_digits(qkv.flops, row.qkv_flops);
    expect_three_digits(qkv.bytes, row.qkv_bytes);
    expect_three_digits(qkv.intensity(), row.qkv_oi);
    expect_three_digits(mlp.flops, row.mlp_flops);
    expect_three_digits(mlp.bytes, row.mlp_bytes);
    expect_three_digits(mlp.intensity(), row.mlp_oi);
  }
}

TEST(CostWorked, PrefillLinearLayersOfLlama7b) {
  struct Row {
    std::uint32_t batch, length;
    double qkv_flops, qkv_bytes, qkv_oi, mlp_flops, mlp_bytes, mlp_oi;
  };
  for (const Row& row : {Row{1, 128, 12.9e9, 107e6, 120, 34.6e9, 282e6, 123},
                         Row{1, 512, 51.5e9, 126e6, 410, 139e9, 317e6, 437},
                         Row{1, 1024, 103e9, 151e6, 683, 277e9, 363e6, 762},
                         Row{16, 512, 825e9, 503e6, 1638, 2.22e12, 1.01e9, 2188},
                         Row{64, 1024, 6.60e12, 3.32e9, 1986, 17.7e12, 6.21e9, 2855}}) {
    const StepShape step = uniform_step(row.batch, row.length, row.length);
    const Sum qkv = sum_of({Operator::kQ, Operator::kK, Operator::kV}, llama7b(), step);
    const Sum mlp = sum_of(kSeparateMlp, llama7b(), step);
    expect_three_digits(qkv.flops, row.qkv_flops);
    expect_three_digits(qkv.bytes, row.qkv_bytes);
    EXPECT_NEAR(qkv.intensity(), row.qkv_oi, 0.5);
    expect_three_digits(mlp.flops, row.mlp_flops);
    expect_three_digits(mlp.bytes, row.mlp_bytes);
    EXPECT_NEAR(mlp.intensity(), row.mlp_oi, 0.5);
  }
}

TEST(CostWorked, PrefillAttentionOfLlama7b) {
  struct Row {
    std::uint32_t length;
    double flops, unfused_bytes, unfused_oi, flash_bytes, flash_oi, causal_oi;
  };
  for (const Row& row : {Row{128, 268e6, 6.29e6, 42.7, 4.19e6, 64, 32},
                         Row{512, 4.29e9, 50.3e6, 85.3, 16.8e6, 256, 128},
                         Row{1024, 17.2e9, 168e6, 102.4, 33.6e6, 512, 256}}) {
    const StepShape step = uniform_step(1, row.length, row.length);
    const Sum unfused = sum_of(kUnfusedAttention, llama7b(), step);
    const Sum flash = sum_of({Operator::kQkPv}, llama7b(), step);
    const Sum causal = sum_of({Operator::kQkPv}, llama7b(), step, true);
    expect_three_digits(unfused.flops, row.flops);
    expect_three_digits(unfused.bytes, row.unfused_bytes);
    EXPECT_NEAR(unfused.intensity(), row.unfused_oi, 0.05);
    EXPECT_EQ(flash.flops, unfused.flops);
    expect_three_digits(flash.bytes, row.flash_bytes);
    EXPECT_EQ(flash.intensity(), row.flash_oi);
    // 2*n*d*s*(s+1): half of the square and the diagonal's other half.
    EXPECT_EQ(causal.flops, 2.0 * 32 * 128 * row.length * (row.length + 1.0));
    EXPECT_NEAR(causal.intensity(), row.causal_oi, 0.3);
  }
}

TEST(CostWorked, DecodeAttentionOfLlama7b) {
  struct Row {
    std::uint32_t length;
    double flops, unfused_bytes, unfused_oi, flash_bytes, flash_oi;
  };
  for (const Row& row : {Row{128, 2.10e6, 2.13e6, 0.985, 2.11e6, 0.992},
                         Row{512, 8.39e6, 8.47e6, 0.990, 8.40e6, 0.998},
                         Row{1024, 16.8e6, 16.9e6, 0.991, 16.8e6, 0.999}}) {
    for (const std::uint32_t batch : {1U, 16U}) {
      const StepShape step = uniform_step(batch, 1, row.length);
      const Sum unfused = sum_of(kUnfusedAttention, llama7b(), step);
      const Sum flash = sum_of({Operator::kQkPv}, llama7b(), step);
      expect_three_digits(unfused.flops / batch, row.flops);
      expect_three_digits(unfused.bytes / batch, row.unfused_bytes);
      expect_three_digits(unfused.intensity(), row.unfused_oi);
      expect_three_digits(flash.bytes / batch, row.flash_bytes);
      expect_three_digits(flash.intensity(), row.flash_oi);
      EXPECT_EQ(sum_of({Operator::kQkPv}, llama7b(), step, true).flops, flash.flops);
    }
  }
}

// Medusa's appendix (arXiv 2401.10774): 64 candidates raise the intensity of Llama 33B's attention
// at batch 16, length 1024 by 41 times. Their definition is the unfused one.
TEST(CostWorked, SpeculativeDecodingRaisesAttentionIntensity) {
  const ModelShape& model = named_model("llama-33b").shape;
  const auto candidates = sum_of(kUnfusedAttention, model, uniform_step(16, 64, 1024)).intensity();
  const auto plain = sum_of(kUnfusedAttention, model, uniform_step(16, 1, 1024)).intensity();
  EXPECT_NEAR(candidates, 40.96, 0.005);
  EXPECT_NEAR(candidates / plain, 41.3, 0.05);
  EXPECT_NEAR(sum_of({Operator::kQkPv}, model, uniform_step(16, 64, 1024)).intensity(), 60, 0.3);
}

// Closed forms of intensity for two-byte elements and n*d = h (LLM-Viewer agrees exactly on these
// operators for multi-head attention).
TEST(CostWorked, IntensityOfLinearLayersInClosedForm) {
  const ModelShape& model = named_model("llama-13b").shape;
  const double h = model.hidden;
  const double i = model.ffn;
  for (const std::uint32_t batch : {1U, 2U, 7U, 64U}) {
    for (const std::uint32_t length : {1U, 128U, 8192U}) {
      const StepShape step = uniform_step(batch, length, length);
      const double rows = step.total_query_tokens;
      EXPECT_NEAR(sum_of({Operator::kQ, Operator::kK, Operator::kV}, model, step).intensity(),
                  rows * h / (2 * rows + h), 1e-9 * h);
      EXPECT_NEAR(sum_of(kSeparateMlp, model, step).intensity(),
                  rows / (1 + rows * (h + i) / (h * i)), 1e-9 * h);
    }
  }
}

TEST(CostWorked, FusionSavesExactlyTheTensorsThatNoLongerMove) {
  const StepShape step = uniform_step(3, 5, 40);
  const ModelShape& model = named_model("llama-3-8b").shape;
  const double rows = 15;
  const double h = 4096;
  const double i = 14336;
  const Sum separate = sum_of(kSeparateMlp, model, step);
  const Sum one_product = sum_of({Operator::kGateUp, Operator::kDown}, model, step);
  const Sum fused = sum_of(kFusedMlp, model, step);
  EXPECT_EQ(separate.flops, 6 * rows * h * i);
  EXPECT_EQ(one_product.flops, separate.flops);
  EXPECT_EQ(fused.flops, separate.flops);
  EXPECT_EQ(separate.bytes, 2 * (3 * h * i + 3 * rows * (h + i)));
  EXPECT_EQ(separate.bytes - one_product.bytes, 2 * rows * h);
  EXPECT_EQ(fused.bytes, 2 * (3 * h * i + 2 * rows * (h + i)));

  const Sum qkv = sum_of({Operator::kQkv}, model, step);
  const Sum q_k_v = sum_of({Operator::kQ, Operator::kK, Operator::kV}, model, step);
  EXPECT_EQ(qkv.flops, q_k_v.flops);
  EXPECT_EQ(q_k_v.bytes - qkv.bytes, 2 * 2 * rows * h);  // X read once, not three times
}

TEST(CostWorked, SumsOverARaggedBatchAddUp) {
  // A chunk of 7 of a prompt of 20, a decode of length 33, three candidates at length 12.
  const ModelShape& model = named_model("tinyllama-1.1b").shape;
  StepShape ragged;
  const StepShape parts[] = {uniform_step(1, 7, 20), uniform_step(1, 1, 33),
                             uniform_step(1, 3, 12)};
  for (const StepShape& part : parts) {
    ragged.batch += part.batch;
    ragged.total_query_tokens += part.total_query_tokens;
    ragged.total_keys += part.total_keys;
    ragged.attention_pairs += part.attention_pairs;
    ragged.causal_pairs += part.causal_pairs;
    ragged.logit_rows += part.logit_rows;
  }
  EXPECT_EQ(ragged.causal_pairs, (7 * 20 - 21) + 33 + (3 * 12 - 3));
  for (const bool skip : {false, true}) {
    for (const Operator op : {Operator::kQk, Operator::kSoftmax, Operator::kPv, Operator::kQkPv}) {
      Sum apart;
      for (const StepShape& part : parts) {
        const Sum one = sum_of({op}, model, part, skip);
        apart.flops += one.flops;
        apart.bytes += one.bytes;
      }
      const Sum together = sum_of({op}, model, ragged, skip);
      EXPECT_EQ(together.flops, apart.flops) << name_of(op);
      EXPECT_EQ(together.bytes, apart.bytes) << name_of(op);
    }
  }
}

TEST(CostWorked, ElementSizesAreSeparate) {
  const ModelShape& model = named_model("llama-2-70b").shape;  // g = 8 of n = 64
  const StepShape step = uniform_step(2, 1, 100);
  const ElementBytes mixed{.weight = 0.625, .activation = 4, .kv = 1};
  EXPECT_EQ(sum_of({Operator::kQkv}, model, step, false, mixed).bytes,
            0.625 * 8192 * 80 * 128 + 4 * (2 * 8192 + 2 * 80 * 128));
  EXPECT_EQ(sum_of({Operator::kQkPv}, model, step, false, mixed).bytes,
            4 * (2.0 * 2 * 64 * 128) + 1 * (2.0 * 2 * 8 * 128 * 100));
  EXPECT_EQ(sum_of({Operator::kKvWrite}, model, step, false, mixed).bytes,
            (4 + 1) * (2.0 * 2 * 8 * 128));
}

TEST(CostWorked, TheHeadAndTheLastNormWorkOnLogitRowsOnly) {
  const ModelShape& model = llama7b();
  const StepShape prefill = uniform_step(4, 512, 512);
  const auto head = operator_cost(Operator::kLmHead, -1, model, prefill, false);
  EXPECT_EQ(head->flops, 2.0 * 4 * 4096 * 32000);
  EXPECT_EQ(traffic(*head, kBf16)->total(), 2.0 * (4096.0 * 32000 + 4 * 4096 + 4 * 32000));
  EXPECT_EQ(operator_cost(Operator::kNorm, -1, model, prefill, false)->flops, 4.0 * 4 * 4096);
  EXPECT_EQ(operator_cost(Operator::kNorm, 3, model, prefill, false)->flops, 4.0 * 4 * 512 * 4096);
}

TEST(CostEdges, UnknownFactsGiveNoFigureNeverZero) {
  const StepShape step = uniform_step(1, 1, 10);
  for (int op = 0; op < kOperatorCount; ++op) {
    EXPECT_FALSE(operator_cost(static_cast<Operator>(op), 0, ModelShape{}, step, false))
        << name_of(static_cast<Operator>(op));
    EXPECT_FALSE(operator_cost(static_cast<Operator>(op), 0, llama7b(), StepShape{}, false))
        << name_of(static_cast<Operator>(op));
  }
  ModelShape no_kv = llama7b();
  no_kv.kv_heads = 0;
  for (const Operator op :
       {Operator::kQkv, Operator::kK, Operator::kV, Operator::kQk, Operator::kSoftmax,
        Operator::kPv, Operator::kQkPv, Operator::kRope, Operator::kKvWrite}) {
    EXPECT_FALSE(operator_cost(op, 0, no_kv, step, false)) << name_of(op);
  }
  EXPECT_TRUE(operator_cost(Operator::kOProj, 0, no_kv, step, false));
}

TEST(CostEdges, OperatorsWithoutAClosedForm) {
  for (const Operator op : {Operator::kUnclassified, Operator::kUpGateDown, Operator::kComm,
                            Operator::kMemcpy, Operator::kOther, static_cast<Operator>(200)}) {
    EXPECT_FALSE(operator_cost(op, 0, llama7b(), uniform_step(1, 1, 1), false));
  }
}

TEST(CostEdges, UnknownElementSizesLeaveFlopsAndHideBytes) {
  const auto qk = operator_cost(Operator::kQk, 0, llama7b(), uniform_step(1, 1, 8), false);
  ASSERT_TRUE(qk);
  EXPECT_FALSE(traffic(*qk, {.weight = 2, .activation = 2, .kv = 0}));
  EXPECT_FALSE(traffic(*qk, {.weight = 2, .activation = -1, .kv = 2}));
  EXPECT_FALSE(
      traffic(*qk, {.weight = 2, .activation = std::numeric_limits<double>::infinity(), .kv = 2}));
  EXPECT_TRUE(traffic(*qk, {.weight = 0, .activation = 2, .kv = 2}));  // no weights move
}

TEST(CostEdges, ARecordedStepsSumsWinOverItsMeans) {
  ScopeRecord step;
  step.batch = 3;
  step.query_tokens = 4;
  step.length = 22;
  const StepShape uniform = step_shape(step);
  EXPECT_EQ(uniform.total_query_tokens, 12);
  EXPECT_EQ(uniform.total_keys, 66);
  EXPECT_EQ(uniform.attention_pairs, 3 * 4 * 22);
  EXPECT_EQ(uniform.causal_pairs, 3 * (4 * 22 - 6));
  EXPECT_EQ(uniform.logit_rows, 3);
  step.total_query_tokens = 11;
  step.total_keys = 65;
  step.attention_pairs = 209;
  step.causal_pairs = 185;
  step.logit_rows = 2;
  const StepShape ragged = step_shape(step);
  EXPECT_EQ(ragged.total_query_tokens, 11);
  EXPECT_EQ(ragged.total_keys, 65);
  EXPECT_EQ(ragged.attention_pairs, 209);
  EXPECT_EQ(ragged.causal_pairs, 185);
  EXPECT_EQ(ragged.logit_rows, 2);
}

TEST(CostEdges, AbsurdSizesStayFinite) {
  constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();
  const ModelShape absurd{.name = "absurd",
                          .hidden = kHuge,
                          .layers = kHuge,
                          .heads = kHuge,
                          .kv_heads = kHuge,
                          .head_dim = kHuge,
                          .ffn = kHuge,
                          .vocab = kHuge};
  const StepShape step = uniform_step(kHuge, kHuge, kHuge, kHuge);
  for (int op = 0; op < kOperatorCount; ++op) {
    const auto cost = operator_cost(static_cast<Operator>(op), 0, absurd, step, false);
    if (!cost) continue;
    EXPECT_TRUE(std::isfinite(cost->flops));
    EXPECT_GE(cost->flops, 0);
    EXPECT_TRUE(std::isfinite(traffic(*cost, kBf16)->total()));
  }
}

}  // namespace
}  // namespace rooftop
