// What a tool hears from the loop: a stand-in for an NVTX tool, attached through NVTX's own hook
// for tools that are linked into the program, records ranges with their payloads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "inference/loop.h"
#include "tests/inference/loop/toy_backend.h"

namespace {

struct Heard {
  std::string name;  // "pop" for the end of a range
  std::uint64_t schema = 0;
  rooftop::nvtx::StepPayload step;
  rooftop::nvtx::OpPayload op;
  rooftop::nvtx::ModelPayload model;
};
std::vector<Heard> heard;

void hear(const nvtxEventAttributes_t* attributes) {
  Heard h;
  h.name = attributes->message.ascii;
  const auto* data = reinterpret_cast<const nvtxPayloadData_t*>(attributes->payload.ullValue);
  h.schema = data->schemaId;
  if (h.schema == rooftop::nvtx::kStepSchema) std::memcpy(&h.step, data->payload, data->size);
  if (h.schema == rooftop::nvtx::kOpSchema) std::memcpy(&h.op, data->payload, data->size);
  if (h.schema == rooftop::nvtx::kModelSchema) std::memcpy(&h.model, data->payload, data->size);
  heard.push_back(h);
}

nvtxDomainHandle_t NVTX_API create_domain(const char*) {
  return reinterpret_cast<nvtxDomainHandle_t>(&heard);
}
int NVTX_API push(nvtxDomainHandle_t, const nvtxEventAttributes_t* attributes) {
  hear(attributes);
  return 0;
}
int NVTX_API pop(nvtxDomainHandle_t) {
  heard.emplace_back().name = "pop";
  return 0;
}
void NVTX_API mark(nvtxDomainHandle_t, const nvtxEventAttributes_t* attributes) {
  hear(attributes);
}

int NVTX_API initialize(NvtxGetExportTableFunc_t get_export_table) {
  const auto* callbacks =
      static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned int size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) == 0) return 0;
  *table[NVTX_CBID_CORE2_DomainCreateA] = reinterpret_cast<NvtxFunctionPointer>(create_domain);
  *table[NVTX_CBID_CORE2_DomainRangePushEx] = reinterpret_cast<NvtxFunctionPointer>(push);
  *table[NVTX_CBID_CORE2_DomainRangePop] = reinterpret_cast<NvtxFunctionPointer>(pop);
  *table[NVTX_CBID_CORE2_DomainMarkEx] = reinterpret_cast<NvtxFunctionPointer>(mark);
  return 1;
}

// NVTX reads this weak symbol of its own when it is first used, which is later.
const bool attached = [] {
  InitializeInjectionNvtx2_fnptr = initialize;
  return true;
}();

}  // namespace

namespace rooftop::inference {
namespace {

class Scopes : public testing::Test {
 protected:
  BackendOptions options = toy_options();
  ToyBackend backend{options};
  Loop loop{backend, toy_config(), options};
  std::vector<Heard> start;

  Scopes() { start.swap(heard); }

  [[nodiscard]] static std::vector<nvtx::StepPayload> steps() {
    std::vector<nvtx::StepPayload> out;
    for (const auto& h : heard) {
      if (h.schema == nvtx::kStepSchema) out.push_back(h.step);
    }
    return out;
  }
};

TEST_F(Scopes, TheModelIsDescribedOnce) {
  ASSERT_FALSE(start.empty());
  const Heard& h = start.back();
  EXPECT_EQ(h.name, "toy");
  EXPECT_EQ(h.schema, nvtx::kModelSchema);
  EXPECT_EQ(h.model.hidden, 8U);
  EXPECT_EQ(h.model.layers, 2U);
  EXPECT_EQ(h.model.layers_run, 2U);
  EXPECT_EQ(h.model.heads, 4U);
  EXPECT_EQ(h.model.kv_heads, 2U);
  EXPECT_EQ(h.model.head_dim, 2U);
  EXPECT_EQ(h.model.ffn, 12U);
  EXPECT_EQ(h.model.vocab, 23U);
  EXPECT_EQ(h.model.max_positions, 128U);
  EXPECT_EQ(h.model.flash, 1U);
  EXPECT_EQ(h.model.causal_skip, 1U);
  EXPECT_EQ(h.model.weight_bytes, 2);
  EXPECT_EQ(h.model.kv_bytes, 1);
}

TEST_F(Scopes, EveryOperatorHasARangeOfItsOwnWithinTheStep) {
  loop.prefill_cell(1, 3);
  int depth = 0;
  std::vector<std::string> names;
  for (const auto& h : heard) {
    depth += h.name == "pop" ? -1 : 1;
    ASSERT_GE(depth, 0);
    ASSERT_LE(depth, 2);
    if (h.schema == nvtx::kOpSchema) {
      EXPECT_EQ(depth, 2);
      names.push_back(h.name);
    }
  }
  EXPECT_EQ(depth, 0);
  const std::vector<std::string> layer = {"attention_norm", "qkv",        "rope",     "kv_write",
                                          "attention",      "o_proj",     "residual", "mlp_norm",
                                          "gate_up",        "activation", "down",     "residual"};
  std::vector<std::string> expected = {"embed"};
  for (int i = 0; i < 2; ++i) expected.insert(expected.end(), layer.begin(), layer.end());
  expected.insert(expected.end(), {"final_norm", "lm_head", "sampling"});
  EXPECT_EQ(names, expected);
  EXPECT_EQ(heard.front().name, "prefill");
  const auto second_qkv = heard.at(1 + 2 * (1 + 12 + 1));
  EXPECT_EQ(second_qkv.name, "qkv");
  EXPECT_EQ(second_qkv.op.op, nvtx::kQkv);
  EXPECT_EQ(second_qkv.op.layer, 1);
}

TEST_F(Scopes, NoneAreOpenedWhereNoneAreWanted) {
  loop.open_scopes(false);
  loop.prefill_cell(1, 3);
  EXPECT_TRUE(heard.empty());
  loop.open_scopes(true);
  loop.decode_cell(1, 4);
  EXPECT_EQ(steps().size(), 1U);
}

// A device's step is heard while it is recorded, operator by operator, and later as a step alone.
TEST_F(Scopes, ARecordedStepHasItsOperatorsAndAReplayNone) {
  const auto operators = [&] {
    return std::count_if(heard.begin(), heard.end(),
                         [](const Heard& h) { return h.schema == nvtx::kOpSchema; });
  };
  backend.work = StepWork::kCompute;
  loop.prefill_cell(1, 3);
  const auto computed = operators();
  heard.clear();
  backend.work = StepWork::kRecord;
  loop.decode_cell(1, 4);
  EXPECT_EQ(operators(), computed);
  heard.clear();
  backend.work = StepWork::kReplay;
  loop.decode_cell(1, 4);
  EXPECT_EQ(operators(), 0);
  EXPECT_EQ(steps().size(), 1U);
}

TEST_F(Scopes, ARaggedStepIsDescribedExactly) {
  const std::vector<std::int32_t> tokens(20, 1);
  const auto text = std::span(tokens);
  loop.forward(nvtx::kInit, std::vector<NewTokens>{{0, text.first(7), 1}, {2, text.first(4), 3}},
               false, [](std::span<const float>) {});
  loop.forward(nvtx::kMixed, std::vector<NewTokens>{{0, text.first(1), 1}, {2, text.first(10), 2}},
               true, [](std::span<const float>) {});
  const auto all = steps();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].phase, nvtx::kInit);
  EXPECT_EQ(all[0].flags, 0U);
  EXPECT_EQ(all[0].batch, 2U);
  EXPECT_EQ(all[0].query_tokens, 6U);  // (7 + 4) / 2, rounded
  EXPECT_EQ(all[0].length, 6U);
  EXPECT_EQ(all[0].logit_rows, 4U);
  EXPECT_EQ(all[0].total_query_tokens, 11U);
  EXPECT_EQ(all[0].total_keys, 11U);
  EXPECT_EQ(all[0].attention_pairs, 49U + 16U);
  EXPECT_EQ(all[0].causal_pairs, 28U + 10U);  // 1 + .. + 7, 1 + .. + 4
  EXPECT_EQ(all[1].phase, nvtx::kMixed);
  EXPECT_EQ(all[1].flags, nvtx::kWarmup);
  EXPECT_EQ(all[1].total_query_tokens, 11U);
  EXPECT_EQ(all[1].total_keys, 8U + 14U);
  EXPECT_EQ(all[1].attention_pairs, 8U + 140U);
  EXPECT_EQ(all[1].causal_pairs, 8U + (5U + 14U) * 10U / 2U);
}

TEST_F(Scopes, CellsAreRecordedAtExactlyTheirShape) {
  backend.fills = true;
  loop.decode_cell(3, 50, 4);
  loop.decode_cell(3, 50, 4, true);
  loop.prefill_cell(2, 20);
  const auto all = steps();
  ASSERT_EQ(all.size(), 3U);
  for (const std::size_t i : {0U, 1U}) {
    EXPECT_EQ(all[i].phase, nvtx::kAr);  // generation, whatever its rows
    EXPECT_EQ(all[i].batch, 3U);
    EXPECT_EQ(all[i].query_tokens, 4U);
    EXPECT_EQ(all[i].length, 50U);
    EXPECT_EQ(all[i].logit_rows, 12U);
    EXPECT_EQ(all[i].total_keys, 150U);
    EXPECT_EQ(all[i].flags, i);
  }
  EXPECT_EQ(all[2].phase, nvtx::kInit);
  EXPECT_EQ(all[2].query_tokens, 20U);
  EXPECT_EQ(all[2].length, 20U);
  EXPECT_EQ(all[2].logit_rows, 2U);
}

TEST_F(Scopes, NothingIsOpenedForARefusedStep) {
  const std::vector<std::int32_t> wrong = {99};
  const NewTokens part{0, wrong, 1};
  EXPECT_ANY_THROW(loop.forward(nvtx::kInit, {&part, 1}, false, [](std::span<const float>) {}));
  EXPECT_TRUE(heard.empty());
}

TEST_F(Scopes, AFailureWithinAStepClosesItsRanges) {
  backend.overflows = true;
  EXPECT_ANY_THROW(loop.generate(std::vector<std::vector<std::int32_t>>{{1}}, {}));
  int depth = 0;
  for (const auto& h : heard) depth += h.name == "pop" ? -1 : 1;
  EXPECT_EQ(depth, 0);
}

}  // namespace
}  // namespace rooftop::inference
