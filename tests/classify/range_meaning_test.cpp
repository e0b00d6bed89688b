#include "profiler/classify/range_meaning.h"

#include <gtest/gtest.h>

namespace rooftop {
namespace {

using enum Operator;

Operator module(const char* name) { return only(meaning_of_range(name).operators); }

TEST(RangeMeaning, ModulesByPath) {
  EXPECT_EQ(module("model.layers.3.self_attn.q_proj"), kQ);
  EXPECT_EQ(meaning_of_range("model.layers.3.self_attn.q_proj").layer, 3);
  EXPECT_EQ(module("{'Module': 'model.layers.11.mlp.gate_up_proj'}"), kGateUp);
  EXPECT_EQ(meaning_of_range("{'Module': 'model.layers.11.mlp.gate_up_proj'}").layer, 11);
  EXPECT_EQ(module("transformer.h.0.attn.c_proj"), kOProj);
  EXPECT_EQ(module("transformer.h.0.mlp.c_proj"), kDown);
  EXPECT_EQ(module("LLaMAForCausalLM/transformer/layers/7/attention/qkv/PLUGIN_V2_Gemm_0"), kQkv);
  EXPECT_EQ(module("LLaMAForCausalLM/transformer/layers/7/attention/dense/Gemm_0"), kOProj);
  EXPECT_EQ(module("lm_head"), kLmHead);
  EXPECT_EQ(meaning_of_range("some text about nothing").operators, kAnyOperator);
}

TEST(RangeMeaning, FramesOfModules) {
  EXPECT_EQ(module("nn.Module: Qwen2RMSNorm_17"), kNorm);
  EXPECT_EQ(module("nn.Module: LlamaRotaryEmbedding_0"), kRope);
  const RangeMeaning layer = meaning_of_range("nn.Module: LlamaDecoderLayer_17");
  EXPECT_EQ(layer.layer, 17);
  EXPECT_FALSE(contains(layer.operators, kLmHead));
  EXPECT_TRUE(contains(meaning_of_range("nn.Module: LlamaAttention_2").operators, kQ));
  EXPECT_FALSE(contains(meaning_of_range("nn.Module: LlamaMLP_2").operators, kQ));
  EXPECT_EQ(meaning_of_range("nn.Module: Linear_3").operators, kAnyOperator);
}

TEST(RangeMeaning, StepsOfEngines) {
  const RangeMeaning vllm = meaning_of_range("execute_context_2(512)_generation_3(3)");
  EXPECT_TRUE(vllm.step);
  EXPECT_EQ(vllm.phase, Phase::kMixed);
  EXPECT_EQ(vllm.context_tokens, 512U);
  EXPECT_EQ(vllm.generation_requests, 3U);
  EXPECT_EQ(meaning_of_range("execute_context_0(0)_generation_64(64)").phase, Phase::kAr);
  EXPECT_EQ(meaning_of_range("execute_context_1(900)_generation_0(0)").phase, Phase::kInit);
  EXPECT_EQ(meaning_of_range("step[DECODE bs=4]").phase, Phase::kAr);
  EXPECT_EQ(meaning_of_range("step[DECODE bs=4]").generation_tokens, 4U);
  EXPECT_EQ(meaning_of_range("step[EXTEND bs=1 toks=512]").context_tokens, 512U);
  EXPECT_TRUE(meaning_of_range("ProfilerStep#6").iteration);
  EXPECT_TRUE(meaning_of_range("autograd::engine::evaluate_function: MmBackward0").training);
}

TEST(Shapes, OfProductsAndAttention) {
  const auto mm = product_shape("aten::mm", parse_shapes("[8944,1024]bf16[1024,2816]bf16"));
  ASSERT_TRUE(mm);
  EXPECT_EQ(mm->rows, 8944);
  EXPECT_EQ(mm->in, 1024);
  EXPECT_EQ(mm->out, 2816);
  EXPECT_EQ(product_shape("aten::addmm", parse_shapes("[96][7,64][64,96]"))->out, 96);
  const auto linear = product_shape("aten::linear", parse_shapes("[16,559,1024][2816,1024][]"));
  EXPECT_EQ(linear->rows, 16 * 559);
  EXPECT_EQ(linear->out, 2816);
  EXPECT_FALSE(product_shape("aten::mm", parse_shapes("[3,4][5,6]")));
  EXPECT_FALSE(product_shape("aten::add", parse_shapes("[3,4][4,6]")));

  const auto sdpa = attention_call("aten::scaled_dot_product_attention",
                                   parse_shapes("[16,32,559,64][16,8,559,64][16,8,559,64]"));
  ASSERT_TRUE(sdpa);
  EXPECT_EQ(sdpa->batch, 16);
  EXPECT_EQ(sdpa->heads, 32);
  EXPECT_EQ(sdpa->kv_heads, 8);
  EXPECT_EQ(sdpa->query_rows, 559);
  EXPECT_EQ(sdpa->head_dim, 64);
  const auto flash = attention_call("aten::_flash_attention_forward",
                                    parse_shapes("[2,1,32,128][2,77,8,128][2,77,8,128]"));
  EXPECT_EQ(flash->query_rows, 1);
  EXPECT_EQ(flash->keys, 77);
  EXPECT_EQ(flash->heads, 32);
}

TEST(Shapes, AnyTextIsTaken) {
  for (const char* text : {"", "[", "]", "[[", "[1,", "[1,,2]", "[-1]", "[99999999999999999999]",
                           "[1,2][", "]1,2[", "bf16[1]"}) {
    for (const TensorShape& shape : parse_shapes(text)) EXPECT_LE(shape.rank(), 16U) << text;
  }
  EXPECT_TRUE(parse_shapes("[]").front().dims.empty());
}

}  // namespace
}  // namespace rooftop
