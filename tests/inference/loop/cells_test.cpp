#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tests/inference/loop/toy_backend.h"

namespace rooftop::inference {
namespace {

using testing::Contains;
using testing::ElementsAre;

class Cells : public testing::Test {
 protected:
  ToyBackend backend{toy_options()};
  Loop loop{backend, toy_config(), toy_options()};

  [[nodiscard]] std::vector<std::string> fills() const {
    std::vector<std::string> out;
    for (const auto& call : backend.calls) {
      if (call.starts_with("fill")) out.push_back(call);
    }
    return out;
  }
};

TEST_F(Cells, DecodeFillsOnlyWhatIsMissing) {
  backend.fills = true;
  loop.prefill_cell(2, 10);
  loop.decode_cell(2, 11);  // the prefill's keys serve
  EXPECT_THAT(fills(), ElementsAre());
  loop.decode_cell(2, 8);  // so do they here, rewound
  loop.decode_cell(3, 40, 2);
  EXPECT_THAT(fills(), ElementsAre("fill 0 8 38", "fill 1 8 38", "fill 2 0 38"));
  EXPECT_EQ(backend.steps.size(), 4U);
  for (const auto& s : backend.steps.back()) {
    EXPECT_EQ(s.rows, 2);
    EXPECT_EQ(s.length, 40);
  }
}

TEST_F(Cells, RepeatsHaveTheSameShape) {
  backend.fills = true;
  for (int i = 0; i < 3; ++i) loop.decode_cell(2, 30, 3);
  for (const auto& step : backend.steps) {
    ASSERT_EQ(step.size(), 2U);
    EXPECT_EQ(step[1].rows, 3);
    EXPECT_EQ(step[1].length, 30);
  }
  EXPECT_THAT(fills(), ElementsAre("fill 0 0 27", "fill 1 0 27"));
}

TEST_F(Cells, WithoutFillingAPrefillInPartsServes) {
  loop.decode_cell(1, 100);  // 99 keys in steps of at most 60 rows
  ASSERT_EQ(backend.steps.size(), 3U);
  EXPECT_EQ(backend.steps[0].at(0).rows, 60);
  EXPECT_EQ(backend.steps[1].at(0).rows, 39);
  EXPECT_EQ(backend.steps[2].at(0).rows, 1);
  EXPECT_EQ(backend.steps[2].at(0).length, 100);
}

TEST_F(Cells, OneTokenOfContextIsTheShortest) {
  loop.decode_cell(4, 1);
  EXPECT_EQ(backend.steps.size(), 1U);
  EXPECT_EQ(backend.steps[0].at(3).length, 1);
}

TEST_F(Cells, RefusesWhatDoesNotFit) {
  EXPECT_THROW(loop.prefill_cell(0, 5), InputError);
  EXPECT_THROW(loop.prefill_cell(5, 5), InputError);
  EXPECT_THROW(loop.prefill_cell(1, 0), InputError);
  EXPECT_THROW(loop.prefill_cell(1, 61), InputError);   // rows
  EXPECT_THROW(loop.prefill_cell(2, 31), InputError);   // rows
  EXPECT_THROW(loop.decode_cell(1, 101), InputError);   // cache
  EXPECT_THROW(loop.decode_cell(1, 3, 4), InputError);  // more candidates than keys
  EXPECT_THROW(loop.decode_cell(1, 3, 0), InputError);
  EXPECT_THROW(loop.decode_cell(4, 50, 11), InputError);  // logits
  EXPECT_TRUE(backend.steps.empty());
}

}  // namespace
}  // namespace rooftop::inference
