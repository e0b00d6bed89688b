#include "inference/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profiler/core/error.h"
#include "tests/inference/loop/toy_backend.h"

namespace rooftop::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;

std::vector<std::string> calls_of(Attention attention, StepWork work = StepWork::kCompute) {
  BackendOptions options = toy_options();
  options.attention = attention;
  ToyBackend backend(options);
  backend.work = work;
  Loop loop(backend, toy_config(), options);
  const Tokens tokens = {1, 2, 3};
  const NewTokens part{0, tokens, 1};
  loop.forward(nvtx::kInit, {&part, 1}, false,
               [&](std::span<const float>) { backend.calls.emplace_back("sample"); });
  return backend.calls;
}

std::vector<std::string> documented(std::vector<std::string> attention) {
  std::vector<std::string> out = {"begin", "embed"};
  for (const std::string layer : {" 0", " 1"}) {
    for (const char* name : {"attention_norm", "qkv", "rope", "kv_write"}) {
      out.push_back(name + layer);
    }
    for (const auto& name : attention) out.push_back(name + layer);
    out.push_back("o_proj" + layer);
    out.emplace_back("residual");
    for (const char* name : {"mlp_norm", "gate_up", "activation", "down"}) {
      out.push_back(name + layer);
    }
    out.emplace_back("residual");
  }
  out.insert(out.end(), {"final_norm", "lm_head", "pick", "logits", "sample"});
  return out;
}

TEST(Loop, CallsTheOperatorsInTheDocumentedOrder) {
  EXPECT_EQ(calls_of(Attention::kFlash), documented({"attention"}));
  EXPECT_EQ(calls_of(Attention::kUnfused), documented({"qk", "softmax", "pv"}));
}

TEST(Loop, RecordsAStepBeforeItRuns) {
  auto expected = documented({"attention"});
  expected.insert(expected.end() - 2, "run");
  EXPECT_EQ(calls_of(Attention::kFlash, StepWork::kRecord), expected);
}

TEST(Loop, RepeatsARecordWithoutCallingOperators) {
  EXPECT_EQ(calls_of(Attention::kFlash, StepWork::kReplay),
            (std::vector<std::string>{"begin", "run", "logits", "sample"}));
}

TEST(Loop, RunsASliceOfTheLayers) {
  BackendOptions options = toy_options();
  options.layers = 1;
  ToyBackend backend(options);
  Loop loop(backend, toy_config(), options);
  loop.prefill_cell(1, 3);
  EXPECT_THAT(backend.calls, testing::Contains("down 0"));
  EXPECT_THAT(backend.calls, testing::Not(testing::Contains("down 1")));
}

TEST(Loop, TellsTheBackendWhereEveryRowStands) {
  ToyBackend backend(toy_options());
  Loop loop(backend, toy_config(), toy_options());
  const Tokens a = {1, 2, 3};
  const Tokens b = {4};
  const auto run = [&](std::vector<NewTokens> parts) {
    loop.forward(nvtx::kInit, parts, false, [](std::span<const float>) {});
  };
  run({{3, a, 2}, {1, b, 1}});
  run({{1, a, 1}, {3, b, 1}});
  const auto& first = backend.steps.at(0);
  EXPECT_EQ(first.at(0).slot, 3);
  EXPECT_EQ(first.at(0).first_row, 0);
  EXPECT_EQ(first.at(0).rows, 3);
  EXPECT_EQ(first.at(0).length, 3);
  EXPECT_EQ(first.at(1).slot, 1);
  EXPECT_EQ(first.at(1).first_row, 3);
  EXPECT_EQ(first.at(1).length, 1);
  EXPECT_THAT(backend.logit_rows.at(0), ElementsAre(1, 2, 3));
  EXPECT_THAT(backend.tokens.at(0), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(backend.steps.at(1).at(0).length, 4);
  EXPECT_EQ(backend.steps.at(1).at(1).length, 4);
  EXPECT_THAT(backend.logit_rows.at(1), ElementsAre(2, 3));
  EXPECT_EQ(loop.length(0), 0);
  loop.rewind(3, 2);
  EXPECT_EQ(loop.length(3), 2);
  EXPECT_THROW(loop.rewind(3, 3), InputError);
  EXPECT_THROW(loop.rewind(3, -1), InputError);
}

class Refusal : public testing::Test {
 protected:
  ToyBackend backend{toy_options()};
  Loop loop{backend, toy_config(), toy_options()};

  void expect_refused(std::vector<NewTokens> parts, const char* why) {
    try {
      loop.forward(nvtx::kAr, parts, false, [](std::span<const float>) {});
      ADD_FAILURE() << "was run: " << why;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(why));
    }
    EXPECT_TRUE(backend.calls.empty());
    for (const int slot : {0, 1, 2, 3}) EXPECT_EQ(loop.length(slot), 0);
  }
};

TEST_F(Refusal, NamesTheNumbersAndComputesNothing) {
  const Tokens one = {1};
  const Tokens wrong = {1, 23};
  const Tokens negative = {-1};
  const Tokens many(60, 1);
  const Tokens too_long(101, 1);
  expect_refused({}, "no sequences");
  expect_refused({{4, one, 1}}, "slots 0 to 3");
  expect_refused({{-1, one, 1}}, "Slot -1");
  expect_refused({{1, one, 1}, {1, one, 1}}, "twice");
  expect_refused({{0, {}, 1}}, "no new tokens");
  expect_refused({{0, wrong, 1}}, "Token 23 is out of range: the vocabulary has ids 0 to 22");
  expect_refused({{0, negative, 1}}, "Token -1");
  expect_refused({{0, one, 2}}, "Logits of 2 rows");
  expect_refused({{0, one, 0}}, "Logits of 0 rows");
  expect_refused({{0, too_long, 1}}, "101 tokens long, but the KV cache holds 100");
  expect_refused({{0, many, 1}, {1, one, 1}}, "61 rows");
  expect_refused({{0, many, 41}}, "logits for 41");
}

TEST_F(Refusal, OfImpossibleOptions) {
  BackendOptions options = toy_options();
  options.layers = 3;
  EXPECT_THROW(Loop(backend, toy_config(), options), InputError);
}

}  // namespace
}  // namespace rooftop::inference
