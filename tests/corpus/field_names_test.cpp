// Labels of others: single names of many engines, and a recording whose module frames say what each
// kernel does.
#include <gtest/gtest.h>

#include <iostream>

#include "profiler/classify/kernel_name.h"
#include "tests/corpus/field_recording.h"
#include "tests/corpus/scoring.h"

namespace rooftop::corpus {
namespace {

TEST(FieldNames, RulesAgreeWithTheLabels) {
  const auto table = field_file("facts/kernels.csv");
  if (!table) GTEST_SKIP() << "ROOFTOP_FIELD_DATA names no folder with facts/kernels.csv";
  const KernelRules rules = KernelRules::built_in();
  Score all;
  for (const NamedKernel& kernel : named_kernels(*table)) {
    const auto label = operator_of_label(kernel.label);
    if (!label || kernel.confidence != "sure") continue;
    const KernelRule* rule = rules.find(normalised_kernel_name(kernel.name));
    const Operator said = rule == nullptr ? Operator::kUnclassified : only(rule->operators);
    // What the name leaves open is the order's to decide; what it decides must be right.
    const bool possible = rule == nullptr || contains(rule->operators, *label);
    EXPECT_TRUE(possible) << kernel.engine << ": " << kernel.name.substr(0, 120) << "\n  is "
                          << kernel.label << ", and " << (rule ? rule->pattern : "") << " says "
                          << name_of(said);
    all.labelled += 1;
    if (said != Operator::kUnclassified) {
      all.found += 1;
      all.right += said == *label ? 1 : 0;
    }
  }
  EXPECT_GE(all.precision(), 0.98);
}

class FieldRecording : public testing::TestWithParam<Hidden> {};

TEST_P(FieldRecording, AgreesWithTheFramesThatWereHidden) {
  const auto file = field_file("recordings/pytorch_h100_qwen0.5b_prefill.json.gz");
  if (!file) GTEST_SKIP() << "ROOFTOP_FIELD_DATA names no folder with the recording";
  const std::vector<LabelledLaunch> launches = labelled_by_frames(*file, GetParam());
  ASSERT_GT(launches.size(), 900U);
  const Classified found = classify(launches);
  for (const auto& [row, score] : score(launches, found.launches)) {
    EXPECT_GE(score.time_precision(), 0.98) << name_of(row);
    EXPECT_GE(score.time_recall(), 0.98) << name_of(row);
    EXPECT_GE(score.precision(), 0.98) << name_of(row);
    EXPECT_GE(score.recall(), 0.98) << name_of(row);
  }
  EXPECT_EQ(found.meta.layers_run, 24U);
}

INSTANTIATE_TEST_SUITE_P(H100, FieldRecording, testing::Values(Hidden::kModules, Hidden::kRanges));

}  // namespace
}  // namespace rooftop::corpus
