#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "profiler/classify/scope_classifier.h"
#include "profiler/classify/step_table.h"

namespace rooftop {
namespace {

constexpr std::uint64_t bit(Operator op) { return std::uint64_t{1} << static_cast<int>(op); }

ScopeRecord step(ScopeId id, std::int64_t begin, std::int64_t end, bool warmup = false) {
  ScopeRecord record;
  record.id = id;
  record.kind = ScopeKind::kStep;
  record.begin = {begin};
  record.end = {end};
  record.phase = Phase::kAr;
  record.flags = warmup ? kStepWarmup : 0;
  return record;
}

ScopeRecord op(ScopeId id, ScopeId parent, Operator kind, std::int32_t layer = 0) {
  ScopeRecord record;
  record.id = id;
  record.parent = parent;
  record.kind = ScopeKind::kOp;
  record.op = kind;
  record.layer = layer;
  return record;
}

ScopeRecord foreign(ScopeId id, ScopeId parent) {
  ScopeRecord record;
  record.id = id;
  record.parent = parent;
  record.kind = ScopeKind::kForeign;
  return record;
}

KernelRecord launch(ScopeId scope, std::int64_t begin, std::int64_t end) {
  KernelRecord record;
  record.scope = scope;
  record.begin = {begin};
  record.end = {end};
  return record;
}

StepTable table_of(const std::vector<ScopeRecord>& scopes) {
  StepTable table;
  table.add(scopes);
  table.finish();
  return table;
}

TEST(StepTable, NumbersStepsInOrderOfTimeAndPassesOverWarmup) {
  const StepTable table =
      table_of({step(9, 300, 400), step(4, 100, 200, true), step(6, 200, 250), op(1, 4, {})});
  ASSERT_EQ(table.steps().size(), 3U);
  EXPECT_EQ(table.warmup_steps(), 1U);
  EXPECT_EQ(table.steps()[0].number, 0U);
  EXPECT_EQ(table.steps()[1].number, 1U);
  EXPECT_EQ(table.steps()[2].number, 2U);
  EXPECT_EQ(table.find(9), 2U);
  EXPECT_EQ(table.find(1), std::nullopt);
}

TEST(StepTable, RejectsWhatNoClockSaysAndIdsUsedTwice) {
  const StepTable table =
      table_of({step(1, 100, 99), step(2, -5, 3), step(3, 10, 10), step(3, 20, 30)});
  ASSERT_EQ(table.steps().size(), 1U);
  EXPECT_EQ(table.steps()[0].begin.ns, 10);
  EXPECT_EQ(table.rejected(), 3U);
}

TEST(StepTable, FindsTheStepOfATime) {
  const StepTable table = table_of({step(1, 100, 200), step(2, 150, 180), step(3, 300, 400)});
  EXPECT_EQ(table.at({99}, {99}), std::nullopt);
  EXPECT_EQ(table.at({100}, {101}), 0U);
  EXPECT_EQ(table.at({160}, {170}), 1U);  // the inner one of two
  EXPECT_EQ(table.at({180}, {181}), 0U);
  EXPECT_EQ(table.at({200}, {210}), std::nullopt);
  EXPECT_EQ(table.at({290}, {310}), 2U);  // runs into the next
  EXPECT_EQ(table.at({400}, {500}), std::nullopt);
}

TEST(StepTable, AnEndlessStepDoesNotMakeLookupsSlow) {
  std::vector<ScopeRecord> scopes = {step(1, 0, 1'000'000'000)};
  for (ScopeId id = 2; id < 200'000; ++id) {
    scopes.push_back(step(id, static_cast<std::int64_t>(id) * 10, 10 * static_cast<int>(id) + 1));
  }
  const StepTable table = table_of(scopes);
  std::size_t found = 0;
  for (std::int64_t t = 25; t < 2'000'000; t += 10) {
    found += table.at({t}, {t + 1}).has_value() ? 1 : 0;
  }
  EXPECT_LT(found, 100U);  // beyond the look-back the endless step is no longer seen
}

TEST(StepTable, TheProfiledRegionIsTheUnionOfWhatIsNotWarmup) {
  const StepTable table = table_of({step(1, 0, 50, true), step(2, 100, 200), step(3, 150, 180),
                                    step(4, 200, 220), step(5, 300, 310)});
  const auto region = table.profiled_region();
  ASSERT_EQ(region.size(), 2U);
  EXPECT_EQ(region[0].begin.ns, 100);
  EXPECT_EQ(region[0].end.ns, 220);
  EXPECT_EQ(region[1].begin.ns, 300);
  EXPECT_EQ(region[1].end.ns, 310);
}

TEST(FusedOperator, PartsOfAWhole) {
  using enum Operator;
  EXPECT_EQ(fused_operator(kQk, bit(kPv) | bit(kSoftmax)), kQkPv);
  EXPECT_EQ(fused_operator(kGate, bit(kUp)), kGateUp);
  EXPECT_EQ(fused_operator(kGate, bit(kUp) | bit(kActivation)), kGateUpAct);
  EXPECT_EQ(fused_operator(kGateUp, bit(kActivation)), kGateUpAct);
  EXPECT_EQ(fused_operator(kActivation, bit(kGateUp)), kGateUpAct);
  EXPECT_EQ(fused_operator(kQ, bit(kK) | bit(kV)), kQkv);
  EXPECT_EQ(fused_operator(kQ, bit(kK)), kQ);
  EXPECT_EQ(fused_operator(kQkv, bit(kRope) | bit(kNorm) | bit(kKvWrite)), kQkv);
  EXPECT_EQ(fused_operator(kDown, bit(kResidual)), kDown);
  EXPECT_EQ(fused_operator(kRope, 0), kRope);
  EXPECT_EQ(fused_operator(kOther, ~std::uint64_t{0}), kOther);
}

TEST(ScopeClassifier, AnOperatorsScopeNamesTheLaunch) {
  const StepTable table = table_of({step(1, 100, 200), step(2, 200, 300)});
  ScopeClassifier classifier(table);
  classifier.add(std::vector{op(3, 2, Operator::kDown, 7)});
  const Classification c = classifier.kernel(3, {150}, {160});  // the scope decides, not the time
  EXPECT_EQ(c.op, Operator::kDown);
  EXPECT_EQ(c.layer, 7);
  EXPECT_EQ(c.step, 1U);
  EXPECT_EQ(c.rule, "scope");
  const Classification copy = classifier.memcpy(launch(3, 150, 160));
  EXPECT_EQ(copy.op, Operator::kMemcpy);
  EXPECT_EQ(copy.step, 1U);
  EXPECT_EQ(copy.rule, "memcpy");
}

TEST(ScopeClassifier, WithoutAnOperatorALaunchIsUnclassifiedInItsStep) {
  const StepTable table = table_of({step(1, 100, 200), step(2, 200, 300)});
  ScopeClassifier classifier(table);
  classifier.add(std::vector{foreign(5, 2)});
  for (const auto& [scope, expected] :
       {std::pair<ScopeId, std::optional<std::uint32_t>>{1, 0}, {2, 1}, {5, 1}, {0, 0}, {77, 0}}) {
    const Classification c = classifier.kernel(scope, {150}, {160});
    EXPECT_EQ(c.op, Operator::kUnclassified) << scope;
    EXPECT_EQ(c.step, expected) << scope;
    EXPECT_EQ(c.rule, "") << scope;
  }
}

TEST(ScopeClassifier, ForeignRangesWithinAnOperatorInheritIt) {
  const StepTable table = table_of({step(1, 100, 200)});
  ScopeClassifier classifier(table);
  classifier.add(std::vector{foreign(4, 3), foreign(3, 2), op(2, 1, Operator::kQkv, 5)});
  const Classification c = classifier.kernel(4, {150}, {160});
  EXPECT_EQ(c.op, Operator::kQkv);
  EXPECT_EQ(c.layer, 5);
  EXPECT_EQ(c.step, 0U);
}

TEST(ScopeClassifier, AStepThatNeverEndedKeepsItsLaunches) {
  // Another thread's step covers the time: it must not get them.
  const StepTable table = table_of({step(1, 100, 200)});
  ScopeClassifier classifier(table);
  classifier.add(std::vector{op(3, 2, Operator::kDown)});
  const Classification c = classifier.kernel(3, {150}, {160});
  EXPECT_EQ(c.op, Operator::kDown);
  EXPECT_EQ(c.step, std::nullopt);
}

TEST(ScopeClassifier, HostileParentsAndValues) {
  const StepTable table = table_of({step(1, 100, 200)});
  ScopeClassifier classifier(table);
  classifier.add(std::vector{foreign(5, 6), foreign(6, 5), foreign(7, 7),
                             op(8, 1, static_cast<Operator>(250)), op(8, 1, Operator::kDown)});
  EXPECT_EQ(classifier.kernel(5, {150}, {160}).step, 0U);  // by time
  EXPECT_EQ(classifier.kernel(7, {150}, {160}).step, 0U);
  EXPECT_EQ(classifier.kernel(8, {150}, {160}).op, Operator::kUnclassified);
}

TEST(ScopeClassifier, ForgetsTheOldestScopesBeyondItsWindow) {
  const StepTable table = table_of({step(1, 0, 1000)});
  ScopeClassifier classifier(table, 2);
  classifier.add(
      std::vector{op(2, 1, Operator::kQ), op(3, 1, Operator::kK), op(4, 1, Operator::kV)});
  EXPECT_EQ(classifier.kernel(2, {10}, {20}).op, Operator::kUnclassified);
  EXPECT_EQ(classifier.kernel(2, {10}, {20}).step, 0U);
  EXPECT_EQ(classifier.kernel(3, {10}, {20}).op, Operator::kK);
  EXPECT_EQ(classifier.kernel(4, {10}, {20}).op, Operator::kV);
}

TEST(ScopeClassifier, AGraphsKernelDoesWhatWasCapturedInTheStepOfItsLaunch) {
  const StepTable table = table_of({step(1, 100, 200), step(2, 200, 300), step(3, 300, 400)});
  ScopeClassifier classifier(table, 2);
  classifier.add(std::vector{op(4, 1, Operator::kDown, 7)});
  KernelRecord kernel = launch(4, 250, 260);
  kernel.graph_node = 11;
  kernel.launch_scope = 2;
  Classification c = classifier.kernel(kernel);
  EXPECT_EQ(c.op, Operator::kDown);
  EXPECT_EQ(c.layer, 7);
  EXPECT_EQ(c.step, 1U);

  // A later replay, when the scopes of the capture have left the window.
  classifier.add(std::vector{foreign(5, 2), foreign(6, 2), foreign(7, 3)});
  kernel.begin = {350};
  kernel.end = {360};
  kernel.launch_scope = 7;
  c = classifier.kernel(kernel);
  EXPECT_EQ(c.op, Operator::kDown);
  EXPECT_EQ(c.layer, 7);
  EXPECT_EQ(c.step, 2U);
  EXPECT_EQ(c.rule, "scope");

  kernel.graph_node = 12;  // another node of the same forgotten scope: nothing is known
  EXPECT_EQ(classifier.kernel(kernel).op, Operator::kUnclassified);
}

TEST(ScopeClassifier, AGraphsCopyBelongsToTheStepOfItsTime) {
  const StepTable table = table_of({step(1, 100, 200), step(2, 200, 300)});
  const ScopeClassifier classifier(table);
  KernelRecord copy = launch(1, 250, 260);
  EXPECT_EQ(classifier.memcpy(copy).step, 0U);
  copy.graph_node = 9;
  EXPECT_EQ(classifier.memcpy(copy).step, 1U);
}

}  // namespace
}  // namespace rooftop
