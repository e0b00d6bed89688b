#include "tools/sweep_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "profiler/core/error.h"
#include "profiler/model/model_shapes.h"

namespace rooftop::tools {
namespace {

SweepOptions grid(std::vector<std::int64_t> batches, std::vector<std::int64_t> lengths) {
  SweepOptions options;
  options.batches = std::move(batches);
  options.lengths = std::move(lengths);
  return options;
}

TEST(SweepPlan, PaperGridIs49CellsAPhase) {
  SweepOptions options;
  options.grid = "paper";
  const auto cells = plan_cells(options);
  EXPECT_EQ(cells.size(), 98U);
  EXPECT_EQ(std::ranges::count(cells, Phase::kInit, &Cell::phase), 49);
  EXPECT_EQ(cells.front().batch, 1);
  EXPECT_EQ(cells.front().length, 128);
  EXPECT_EQ(cells.back().batch, 64);
  EXPECT_EQ(cells.back().length, 8192);
}

TEST(SweepPlan, DecodeFollowsThePrefillOfItsLength) {
  const auto cells = plan_cells(grid({2}, {16, 32}));
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(cells[0].phase, Phase::kInit);
  EXPECT_EQ(cells[0].query_tokens, 16);
  EXPECT_EQ(cells[1].phase, Phase::kAr);
  EXPECT_EQ(cells[1].query_tokens, 1);
  EXPECT_EQ(cells[1].length, 16);
}

TEST(SweepPlan, CandidatesMakeDecodeCellsOfTheirOwn) {
  SweepOptions options = grid({1}, {8});
  options.candidates = {1, 4};
  options.phases = {"ar"};
  const auto cells = plan_cells(options);
  ASSERT_EQ(cells.size(), 2U);
  EXPECT_EQ(cells[1].query_tokens, 4);
  options.candidates = {16};  // rows that would not end at 8 keys
  EXPECT_THROW(plan_cells(options), InputError);
}

TEST(SweepPlan, CapacityIsWhatTheCellNeeds) {
  const auto init = Cell{Phase::kInit, 3, 100, 100}.capacity({});
  EXPECT_EQ(init.max_batch, 3);
  EXPECT_EQ(init.max_length, 100);
  EXPECT_EQ(init.max_rows, 300);
  EXPECT_EQ(init.max_logit_rows, 3);
  const auto ar = Cell{Phase::kAr, 3, 4, 100}.capacity({});
  EXPECT_EQ(ar.max_rows, 12);
  EXPECT_EQ(ar.max_logit_rows, 12);
}

TEST(SweepPlan, RefusesImpossibleGrids) {
  EXPECT_THROW(plan_cells(grid({}, {8})), InputError);
  EXPECT_THROW(plan_cells(grid({1}, {})), InputError);
  EXPECT_THROW(plan_cells(grid({0}, {8})), InputError);
  EXPECT_THROW(plan_cells(grid({1}, {-1})), InputError);
  EXPECT_THROW(
      plan_cells(grid(std::vector<std::int64_t>(2000, 1), std::vector<std::int64_t>(2000, 8))),
      InputError);
  SweepOptions both = grid({1}, {8});
  both.grid = "paper";
  EXPECT_THROW(plan_cells(both), InputError);
}

TEST(SweepPlan, CostsGrowWithBatchAndLength) {
  Meta meta;
  meta.model = named_model("llama-7b").shape;
  meta.layers_run = 32;
  meta.weight_bytes = meta.activation_bytes = meta.kv_bytes = 2;
  const double small = relative_cost({Phase::kInit, 1, 128, 128}, meta);
  EXPECT_GT(small, 0);
  EXPECT_NEAR(relative_cost({Phase::kInit, 8, 512, 512}, meta) / small, 32, 12);
  EXPECT_GT(relative_cost({Phase::kAr, 8, 1, 4096}, meta),
            relative_cost({Phase::kAr, 8, 1, 128}, meta));
}

}  // namespace
}  // namespace rooftop::tools
