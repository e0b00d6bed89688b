// Sequences that fit no decoder, or only half: nothing may be guessed, and nothing may break.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/corpus/scoring.h"

namespace rooftop::corpus {
namespace {

using enum Operator;

// Rows that were found where the labels say otherwise.
double wrong(const std::vector<LabelledLaunch>& launches, const Classified& found) {
  double count = 0;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const Operator said = row_of(found.launches[i].op);
    count += said != kUnclassified && said != row_of(launches[i].op) ? 1 : 0;
  }
  return count;
}

Operator op_of(const std::vector<LabelledLaunch>& launches, const Classified& found,
               const std::string& name) {
  for (std::size_t i = 0; i < launches.size(); ++i) {
    if (launches[i].name == name) return found.launches[i].op;
  }
  ADD_FAILURE() << name;
  return kUnclassified;
}

TEST(Adversarial, UnknownNamesStayUnclassifiedAndHideNothing) {
  StepPattern pattern = pattern_of("vllm");
  LabelledLaunch unknown;
  unknown.name = "void secret::sauce<7>(float*)";
  for (const std::size_t at : {1U, 4U, 10U}) {
    pattern.layer.insert(pattern.layer.begin() + at, unknown);
  }
  const Sequence s = repeat("vllm", pattern, 6, 3);
  const Classified found = classify(s.launches);
  EXPECT_EQ(op_of(s.launches, found, unknown.name), kUnclassified);
  EXPECT_EQ(wrong(s.launches, found), 0);
  for (const auto& [row, score] : score(s.launches, found.launches)) {
    EXPECT_GE(score.recall(), 0.98) << name_of(row);
  }
}

TEST(Adversarial, ShuffledLaunchesNeverBreakIt) {
  std::mt19937 random(11);
  for (const Sequence& engine : engines()) {
    for (int round = 0; round < 3; ++round) {
      std::vector<LabelledLaunch> launches = engine.launches;
      std::shuffle(launches.begin(), launches.end(), random);
      for (LabelledLaunch& l : launches) l.step = 0;
      const Classified found = classify(launches);
      ASSERT_EQ(found.launches.size(), launches.size());
    }
  }
}

TEST(Adversarial, RandomNamesAreNeverForced) {
  std::mt19937 random(5);
  std::vector<LabelledLaunch> launches;
  for (int i = 0; i < 3000; ++i) {
    LabelledLaunch l;
    l.name = "zq" + std::to_string(random() % 500);
    l.microseconds = static_cast<double>(1 + random() % 50);
    launches.push_back(l);
  }
  const Classified found = classify(launches);
  EXPECT_EQ(wrong(launches, found), 0);
  EXPECT_EQ(found.steps.size(), 1U);
}

TEST(Adversarial, MlpBeforeAttentionIsReadByItsAnchors) {
  StepPattern pattern = pattern_of("vllm");
  // norm .. down stand in front of norm .. output projection.
  std::rotate(pattern.layer.begin(), pattern.layer.begin() + 8, pattern.layer.end());
  const Sequence s = repeat("reordered", pattern, 6, 3);
  const Classified found = classify(s.launches);
  // The first layer's MLP has no attention in front of it: open, but not wrong.
  EXPECT_EQ(wrong(s.launches, found), 0);
}

TEST(Adversarial, AnExtraProductLeavesItsPartOfTheLayerOpen) {
  StepPattern pattern = pattern_of("vllm");
  LabelledLaunch extra = pattern.layer[6];
  extra.op = kUnclassified;
  pattern.layer.insert(pattern.layer.begin() + 7, extra);  // two products behind attention
  const Sequence s = repeat("adapter", pattern, 6, 3);
  const Classified found = classify(s.launches);
  const auto scores = score(s.launches, found.launches);
  EXPECT_EQ(scores.at(kQkPv).recall(), 1);
  EXPECT_EQ(wrong(s.launches, found), 0);
}

TEST(Adversarial, TwoModelsInOneProcessHaveNoOneShape) {
  Sequence target = repeat("sglang graphs", pattern_of("sglang graphs"), 8, 1);
  Sequence draft = repeat("vllm", pattern_of("vllm"), 2, 1);
  std::vector<LabelledLaunch> launches;
  std::int32_t step = 0;
  for (int round = 0; round < 4; ++round) {
    for (const Sequence* model : {&draft, &draft, &target}) {
      for (LabelledLaunch l : model->launches) {
        l.step = step;
        launches.push_back(l);
      }
      ++step;
    }
  }
  const Classified found = classify(launches);
  EXPECT_EQ(found.steps.size(), 12U);
  EXPECT_EQ(found.meta.model.layers, 0U);
  EXPECT_EQ(wrong(launches, found), 0);
}

TEST(Adversarial, ATrainingStepHasNoPhaseAndItsBackwardPassNoSeries) {
  StepPattern pattern = pattern_of("transformers eager");
  pattern.behind.clear();
  LabelledLaunch gemm;
  for (const LabelledLaunch& l : pattern.layer) {
    if (l.op == kDown && !l.memset) gemm = l;
  }
  gemm.op = kOther;
  gemm.range = "autograd::engine::evaluate_function: MmBackward0";
  LabelledLaunch attention = gemm;
  attention.name = "void pytorch_flash::flash_bwd_dq_dk_dv_loop_seqk_parallel_kernel<64>";
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 7; ++j) pattern.behind.push_back(gemm);
    pattern.behind.push_back(attention);
  }
  const Sequence s = repeat("training", pattern, 4, 3);
  const Classified found = classify(s.launches);
  EXPECT_EQ(wrong(s.launches, found), 0);
  for (const Step& step : found.steps) EXPECT_EQ(step.phase, Phase::kUnknown);
}

TEST(Adversarial, ARecordingMayBeginAndEndWithinAPass) {
  Sequence s = repeat("vllm", pattern_of("vllm"), 6, 4);
  s.launches.erase(s.launches.begin(), s.launches.begin() + 40);
  s.launches.resize(s.launches.size() - 30);
  const Classified found = classify(s.launches);
  EXPECT_EQ(found.steps.size(), 2U);
  EXPECT_EQ(found.launches.front().step, -1);
  EXPECT_EQ(found.launches.back().step, -1);
  EXPECT_EQ(wrong(s.launches, found), 0);
  // Its layers are counted from the end of the model.
  for (std::size_t i = 0; i < 12; ++i) {
    if (s.launches[i].op != kQkPv) continue;
    EXPECT_EQ(found.launches[i].layer, s.launches[i].layer);
  }
}

TEST(Adversarial, PromptsAndDecodeInOneStepAreMixed) {
  StepPattern pattern = pattern_of("vllm");
  for (std::vector<LabelledLaunch>* part : {&pattern.before, &pattern.layer, &pattern.behind}) {
    for (LabelledLaunch& l : *part) l.range = "execute_context_1(200)_generation_3(3)";
  }
  const Classified found = classify(repeat("vllm", pattern, 4, 1).launches);
  ASSERT_FALSE(found.steps.empty());
  EXPECT_EQ(found.steps[0].phase, Phase::kMixed);
  EXPECT_EQ(found.steps[0].batch, 4U);
  EXPECT_DOUBLE_EQ(found.steps[0].shape.total_query_tokens, 203);
}

TEST(Adversarial, AMixtureOfExpertsHasARouter) {
  StepPattern pattern = pattern_of("vllm");
  const auto norm = pattern.layer[8];
  std::vector<LabelledLaunch> layer(pattern.layer.begin(), pattern.layer.begin() + 9);
  LabelledLaunch router = pattern.layer[1];
  router.op = kOther;
  LabelledLaunch choice = norm;
  choice.name = "void vllm::moe::topkGatingSoftmax<float, 8, 128>";
  choice.op = kOther;
  LabelledLaunch experts = norm;
  experts.name = "fused_moe_kernel";
  experts.op = kGateUp;
  const LabelledLaunch activation = pattern.layer[10];
  LabelledLaunch down = experts;
  down.op = kDown;
  for (const LabelledLaunch& l : {router, choice, experts, activation, down}) layer.push_back(l);
  pattern.layer = layer;
  const Sequence s = repeat("experts", pattern, 6, 3);
  const Classified found = classify(s.launches);
  for (std::size_t i = 0; i < s.launches.size(); ++i) {
    EXPECT_EQ(row_of(found.launches[i].op), row_of(s.launches[i].op)) << s.launches[i].name;
  }
}

TEST(Adversarial, BlocksOfQueryRowsAreAPrompt) {
  StepPattern pattern = pattern_of("transformers eager");
  for (LabelledLaunch& l : pattern.layer) {
    if (l.op == kQkPv) l.grid_x = 5;
  }
  for (const Step& step : classify(repeat("prefill", pattern, 4, 2).launches).steps) {
    EXPECT_EQ(step.phase, Phase::kInit);
  }
}

TEST(Adversarial, RowsAndKeysTellPromptsFromCandidates) {
  const auto phase_of = [](const std::string& q, const std::string& k) {
    StepPattern pattern = pattern_of("transformers eager");
    for (LabelledLaunch& l : pattern.layer) {
      if (l.op != kQkPv) continue;
      l.range = "aten::scaled_dot_product_attention";
      l.args = q + k + k;
    }
    const Classified found = classify(repeat("rows", pattern, 4, 2).launches);
    return found.steps.empty() ? Phase::kMixed : found.steps[0].phase;
  };
  EXPECT_EQ(phase_of("[2,8,1,64]", "[2,8,100,64]"), Phase::kAr);
  EXPECT_EQ(phase_of("[2,8,30,64]", "[2,8,30,64]"), Phase::kInit);
  EXPECT_EQ(phase_of("[2,8,512,64]", "[2,8,1024,64]"), Phase::kInit);  // a chunk of a prompt
  EXPECT_EQ(phase_of("[2,8,5,64]", "[2,8,100,64]"), Phase::kUnknown);  // candidates, or a chunk
}

TEST(Adversarial, ManyLaunchesAreClassifiedInReasonableTime) {
  const Sequence s = repeat("vllm", pattern_of("vllm"), 80, 150);
  ASSERT_GT(s.launches.size(), 150'000U);
  const Classified found = classify(s.launches);
  EXPECT_EQ(wrong(s.launches, found), 0);
  EXPECT_EQ(found.steps.size(), 150U);
}

}  // namespace
}  // namespace rooftop::corpus
