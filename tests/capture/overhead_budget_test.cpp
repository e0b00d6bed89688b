// The budget against a simulated engine whose recording costs a known share.
#include "profiler/capture/overhead_budget.h"

#include <gtest/gtest.h>

#include <random>

namespace rooftop::capture {
namespace {

struct Engine {
  double cost = 0;   // relative, of a recorded step
  double noise = 0;  // relative, uniform
  std::mt19937 random{7};
  double extra = 0;
  double base = 0;
  int recorded = 0;
  int steps = 0;

  void step(OverheadBudget& budget, const StepKind& kind, double seconds) {
    const bool on = budget.next(kind);
    std::uniform_real_distribution<double> jitter(1 - noise, 1 + noise);
    const double plain = seconds * jitter(random);
    const double time = on ? plain * (1 + cost) : plain;
    budget.took({static_cast<std::int64_t>(time * 1e9)});
    base += plain;
    extra += time - plain;
    recorded += on ? 1 : 0;
    ++steps;
  }
};

StepKind decode(std::uint32_t length) {
  return {.phase = Phase::kAr, .batch = 1, .query_tokens = 1, .length = length, .warmup = false};
}

TEST(OverheadBudget, CheapRecordingIsKeptOn) {
  OverheadBudget budget(0.01);
  Engine engine{.cost = 0.004, .noise = 0.001};
  for (std::uint32_t i = 0; i < 4000; ++i) engine.step(budget, decode(100 + i / 16), 0.01);
  EXPECT_NEAR(budget.cost(), 0.004, 0.002);
  EXPECT_GT(engine.recorded, 0.9 * engine.steps);
  EXPECT_LT(engine.extra / (engine.base + engine.extra), 0.01);
}

TEST(OverheadBudget, DearRecordingIsCutDownToTheBudget) {
  for (const double cost : {0.02, 0.1, 0.5, 2.0}) {
    OverheadBudget budget(0.01);
    Engine engine{.cost = cost, .noise = 0.01};
    for (std::uint32_t i = 0; i < 40000; ++i) engine.step(budget, decode(100 + i / 64), 0.01);
    const double spent = engine.extra / (engine.base + engine.extra);
    EXPECT_LT(spent, 0.0105) << cost;
    EXPECT_GT(spent, 0.004) << "a budget is there to be used, cost " << cost;
    EXPECT_NEAR(budget.spent(), spent, 0.003) << cost;
    EXPECT_EQ(budget.left_out(), static_cast<std::uint64_t>(engine.steps - engine.recorded));
  }
}

TEST(OverheadBudget, GrowingLengthsAndPrefillsDoNotPassForCost) {
  OverheadBudget budget(0.01);
  Engine engine{.cost = 0, .noise = 0.001};
  for (int request = 0; request < 40; ++request) {
    engine.step(
        budget,
        {.phase = Phase::kInit, .batch = 1, .query_tokens = 500, .length = 500, .warmup = false},
        0.5);
    for (std::uint32_t i = 0; i < 200; ++i) {
      const std::uint32_t length = 500 + i * 20;
      engine.step(budget, decode(length), 0.01 * length / 500);
    }
  }
  EXPECT_LT(std::abs(budget.cost()), 0.05);  // lengths within a tenth still differ
  EXPECT_GT(engine.recorded, engine.steps / 8);
}

TEST(OverheadBudget, WithoutABudgetOnlyWarmUpIsLeftOut) {
  OverheadBudget budget(0);
  Engine engine{.cost = 0.03, .noise = 0.002};
  StepKind warm = decode(100);
  warm.warmup = true;
  for (int i = 0; i < 12; ++i) engine.step(budget, warm, 0.01);
  EXPECT_LT(engine.recorded, 12);
  const int before = engine.recorded;
  for (std::uint32_t i = 0; i < 100; ++i) engine.step(budget, decode(100 + i), 0.01);
  EXPECT_EQ(engine.recorded - before, 100);
  EXPECT_TRUE(budget.measured());
  EXPECT_NEAR(budget.cost(), 0.03, 0.01);
  EXPECT_NEAR(budget.spent(), 0.03 / 1.03, 0.01);
  EXPECT_EQ(budget.left_out(), 0U);
}

// The second step of a shape is where an engine captures its graph: recorded, at every shape.
TEST(OverheadBudget, FirstStepsOfEveryWarmUpShapeAreRecorded) {
  OverheadBudget budget(0);
  for (std::uint32_t length = 1000; length < 1040; length += 10) {
    StepKind warm = decode(length);
    warm.warmup = true;
    int recorded = 0;
    for (int i = 0; i < 3; ++i) {
      recorded += budget.next(warm) ? 1 : 0;
      budget.took({10'000'000});
    }
    EXPECT_EQ(recorded, 3) << length;
  }
}

TEST(OverheadBudget, NothingIsClaimedBeforeItWasMeasured) {
  OverheadBudget budget(0.01);
  EXPECT_FALSE(budget.measured());
  EXPECT_EQ(budget.cost(), 0);
  EXPECT_EQ(budget.spent(), 0);
  budget.next(decode(1));
  budget.took({0});  // a clock that stood still
  EXPECT_FALSE(budget.measured());
}

TEST(OverheadBudget, ManyKindsOfStepsStayBounded) {
  OverheadBudget budget(0.01);
  Engine engine{.cost = 0.1};
  for (std::uint32_t i = 0; i < 10000; ++i) {
    engine.step(budget,
                {.phase = Phase::kMixed,
                 .batch = i % 997,
                 .query_tokens = i % 31,
                 .length = i,
                 .warmup = false},
                0.01);
  }
  EXPECT_GT(engine.recorded, 0);
}

}  // namespace
}  // namespace rooftop::capture
