#include <gtest/gtest.h>

#include <cctype>
#include <string>

#include "tests/corpus/scoring.h"

namespace rooftop::corpus {
namespace {

class Engines : public testing::TestWithParam<Sequence> {};

TEST_P(Engines, EveryRowIsFound) {
  const Sequence& sequence = GetParam();
  const Classified found = classify(sequence.launches);
  for (const auto& [row, score] : score(sequence.launches, found.launches)) {
    EXPECT_GE(score.precision(), 0.98) << name_of(row);
    EXPECT_GE(score.recall(), 0.98) << name_of(row);
    EXPECT_GE(score.time_precision(), 0.98) << name_of(row);
    EXPECT_GE(score.time_recall(), 0.98) << name_of(row);
  }
}

TEST_P(Engines, StepsAndLayersAreFound) {
  const Sequence& sequence = GetParam();
  const Classified found = classify(sequence.launches);
  ASSERT_EQ(found.steps.size(), sequence.steps);
  std::size_t wrong_layer = 0;
  std::size_t wrong_step = 0;
  for (std::size_t i = 0; i < sequence.launches.size(); ++i) {
    const LabelledLaunch& l = sequence.launches[i];
    wrong_step += found.launches[i].step == l.step ? 0 : 1;
    // What stands between two layers may be counted with either.
    if (family_of(l.op) == SeriesFamily::kNone) continue;
    wrong_layer += found.launches[i].layer == l.layer ? 0 : 1;
  }
  EXPECT_EQ(wrong_layer, 0U);
  EXPECT_EQ(wrong_step, 0U);
  EXPECT_EQ(found.meta.layers_run, sequence.layers);
  for (const Step& s : found.steps) EXPECT_EQ(s.phase, sequence.phase);
}

std::string name_of_case(const testing::TestParamInfo<Sequence>& engine) {
  std::string name = engine.param.engine;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Corpus, Engines, testing::ValuesIn(engines()), name_of_case);

}  // namespace
}  // namespace rooftop::corpus
