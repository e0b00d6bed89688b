#include "profiler/join/join_traces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "profiler/core/error.h"
#include "tests/join/recordings.h"

namespace rooftop::join {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kBytes = "dram__bytes_read.sum";

class JoinTracesTest : public testing::Test {
 protected:
  ~JoinTracesTest() override {
    std::error_code ignored;
    std::filesystem::remove(output_, ignored);
  }

  JoinSummary join() {
    summary_ = join_traces(timeline_.path(), {counters_.path()}, output_);
    joined_ = contents(output_);
    return summary_;
  }

  template <class Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const InputError& e) {
      return e.what();
    }
    return {};
  }

  std::string output_ = scratch_path();
  Recording timeline_;
  Recording counters_{"counters"};
  JoinSummary summary_;
  Contents joined_;
};

TEST_F(JoinTracesTest, KeepsTheTimelineAndAddsCounters) {
  const auto kernels = timeline_.step(8, "ab");
  timeline_.writer().intern("something that shifts the numbers of strings");
  (void)timeline_.writer().add(MemcpyRecord{.begin = {1}, .end = {2}, .bytes = 64});
  (void)timeline_.writer().add(
      SampleRecord{.begin = {1}, .end = {2}, .metric = timeline_.writer().intern("m"), .value = 3});
  (void)timeline_.writer().add(
      DropRecord{.when = {1}, .source = timeline_.writer().intern("ring"), .count = 4});
  counters_.launches("zz");  // other numbers for kernels and strings
  const auto counted = counters_.step(8, "ab");
  counters_.counter(counted[0], kBytes, 100);
  counters_.counter(counted[1], kBytes, 200);
  const JoinSummary s = join();
  EXPECT_EQ(s.steps, 1U);
  EXPECT_EQ(s.joined_steps, 1U);
  EXPECT_EQ(s.joined_launches, 2U);
  EXPECT_EQ(s.unmatched_counters, 0U);
  EXPECT_EQ(joined_.meta.capture, "timeline + counters");
  EXPECT_EQ(joined_.meta.run, "test");
  EXPECT_THAT(joined_.names, ElementsAre("a", "b"));
  EXPECT_EQ(joined_.scopes.size(), 1U);
  EXPECT_EQ(joined_.memcpys.size(), 1U);
  EXPECT_EQ(joined_.samples.size(), 1U);
  EXPECT_EQ(joined_.drops, 4U);
  const Contents before = contents(timeline_.path());
  EXPECT_EQ(joined_.kernels[1].begin, before.kernels[1].begin);
  EXPECT_THAT(
      joined_.counters,
      ElementsAre(Contents::Counter{kernels[0], std::string(kBytes), 100, Provenance::kJoined},
                  Contents::Counter{kernels[1], std::string(kBytes), 200, Provenance::kJoined}));
  EXPECT_TRUE(
      joined_.notes_contain("Counters of 1 counter step stand at 2 launches of 2 (1 of 1 step)"));
}

TEST_F(JoinTracesTest, StepsThatDoNotFitAreToldOfAndGetNothing) {
  timeline_.step(8, "ab");
  timeline_.step(9, "ab");
  timeline_.step(10, "abc");
  for (const std::uint32_t length : {8U, 10U}) {
    for (const KernelId id : counters_.step(length, "ab")) counters_.counter(id, kBytes, 1);
  }
  const JoinSummary s = join();
  EXPECT_EQ(s.steps, 3U);
  EXPECT_EQ(s.joined_steps, 1U);
  EXPECT_EQ(s.unequal_steps, 1U);
  EXPECT_EQ(s.differing_steps, 1U);
  EXPECT_EQ(joined_.counters.size(), 2U);
  EXPECT_TRUE(joined_.notes_contain("c (grid 99x1x1, block 128x1x1) ran once"));
  EXPECT_TRUE(joined_.notes_contain("No counters were read on a step equal to 1 step"));
}

TEST_F(JoinTracesTest, WarmUpTakesNoPart) {
  timeline_.step(8, "a", kStepWarmup);
  timeline_.step(8, "a");
  counters_.counter(counters_.step(8, "a", kStepWarmup)[0], kBytes, 999);
  counters_.counter(counters_.step(8, "a")[0], kBytes, 5);
  const JoinSummary s = join();
  EXPECT_EQ(s.counter_steps, 1U);
  ASSERT_EQ(joined_.counters.size(), 1U);
  EXPECT_EQ(joined_.counters[0].kernel, 2U);
  EXPECT_EQ(joined_.counters[0].value, 5);
}

TEST_F(JoinTracesTest, AGraphsKernelBelongsToTheStepOfItsLaunch) {
  // Both steps replay what was captured in an earlier one.
  const ScopeId capture = timeline_.next_scope();
  ScopeRecord op;
  op.id = timeline_.next_scope();
  op.parent = capture;
  op.kind = ScopeKind::kOp;
  op.op = Operator::kQkPv;
  (void)timeline_.writer().add(op);
  for (const std::uint32_t length : {8U, 9U}) {
    ScopeRecord step = decode_step(length);
    step.id = timeline_.next_scope();
    step.begin = {100 * length};
    step.end = {100 * length + 1};  // kernels run after the launch has returned
    KernelRecord kernel;
    kernel.id = length;
    kernel.begin = {100 * length + 50};
    kernel.end = {100 * length + 60};
    kernel.name = timeline_.writer().intern("a");
    kernel.grid = {'a', 1, 1};
    kernel.block = {128, 1, 1};
    kernel.graph_node = 3;
    kernel.scope = op.id;
    kernel.launch_scope = step.id;
    (void)timeline_.writer().add(kernel);
    (void)timeline_.writer().add(step);
  }
  counters_.counter(counters_.step(9, "a")[0], kBytes, 5);
  const JoinSummary s = join();
  EXPECT_EQ(s.joined_steps, 1U);
  ASSERT_EQ(joined_.counters.size(), 1U);
  EXPECT_EQ(joined_.counters[0].kernel, 9U);
}

TEST_F(JoinTracesTest, ATraceWithoutStepsIsOneStep) {
  timeline_.launches("abca");
  const auto counted = counters_.launches("aa");
  counters_.counter(counted[0], kBytes, 1);
  counters_.counter(counted[1], kBytes, 2);
  const JoinSummary s = join();
  EXPECT_EQ(s.partly_joined_steps, 1U);
  EXPECT_EQ(s.joined_launches, 2U);
  EXPECT_EQ(joined_.of(1)[0].value, 1);
  EXPECT_EQ(joined_.of(4)[0].value, 2);
  EXPECT_TRUE(joined_.notes_contain("Counters cover 1 step in part"));
}

TEST_F(JoinTracesTest, RecordingsOfOtherToolsNeedNotKnowSharedMemory) {
  KernelRecord kernel;
  kernel.id = 77;
  kernel.name = timeline_.writer().intern("a");
  kernel.grid = {'a', 1, 1};
  kernel.block = {128, 1, 1};
  kernel.dynamic_shared_bytes = 16384;
  (void)timeline_.writer().add(kernel);
  counters_.counter(counters_.launches("a")[0], kBytes, 3);
  EXPECT_EQ(join().joined_launches, 1U);
}

TEST_F(JoinTracesTest, ToolsSpellNamesInTheirOwnWays) {
  const auto add = [](Recording& recording, std::string_view name) {
    KernelRecord kernel;
    kernel.id = 77;
    kernel.name = recording.writer().intern(name);
    kernel.grid = {7, 1, 1};
    kernel.block = {128, 1, 1};
    (void)recording.writer().add(kernel);
  };
  add(timeline_, "void (anonymous namespace)::gemv<(int)8, (bool)1>(const float*, int)");
  add(counters_, "void <unnamed>::gemv<8, true>(const float *, int)");
  counters_.counter(77, kBytes, 3);
  EXPECT_EQ(join().joined_launches, 1U);
}

TEST_F(JoinTracesTest, WhatTheTimelineCountedItselfStays) {
  const auto kernels = timeline_.step(8, "ab");
  timeline_.counter(kernels[0], kBytes, 7, Provenance::kMeasured);
  for (const KernelId id : counters_.step(8, "ab")) counters_.counter(id, kBytes, 9);
  join();
  ASSERT_EQ(joined_.of(kernels[0]).size(), 1U);
  EXPECT_EQ(joined_.of(kernels[0])[0].value, 7);
  EXPECT_EQ(joined_.of(kernels[1])[0].value, 9);
}

TEST_F(JoinTracesTest, CountersOfUnknownKernelsAreCounted) {
  timeline_.step(8, "a");
  counters_.counter(counters_.step(8, "a")[0], kBytes, 5);
  counters_.counter(1234, kBytes, 5);
  EXPECT_EQ(join().unmatched_counters, 1U);
  EXPECT_EQ(joined_.counters.size(), 1U);
}

TEST_F(JoinTracesTest, SeveralRecordingsComeTogether) {
  timeline_.step(8, "a");
  counters_.counter(counters_.step(8, "a")[0], kBytes, 5);
  Recording second("counters");
  second.counter(second.step(8, "a")[0], "lts__t_bytes.sum", 6);
  join_traces(timeline_.path(), {counters_.path(), second.path()}, output_);
  EXPECT_EQ(contents(output_).counters.size(), 2U);
}

TEST_F(JoinTracesTest, BytesThatDifferBetweenStepsAreNotedAndCyclesAreNot) {
  timeline_.step(8, "a");
  for (const double value : {100.0, 110.0}) {
    const KernelId id = counters_.step(8, "a")[0];
    counters_.counter(id, kBytes, value);
    counters_.counter(id, "sm__cycles_elapsed.sum", value * value);
  }
  join();
  EXPECT_TRUE(joined_.notes_contain(
      "dram__bytes_read.sum of equal launches differs by 9.52 % between counter steps"));
  EXPECT_FALSE(joined_.notes_contain("cycles"));
}

TEST_F(JoinTracesTest, AStepThatBreaksOffIsNotTheOneToCompareWith) {
  timeline_.step(8, "abc");
  counters_.step(8, "a");
  counters_.step(8, "abd");
  join();
  EXPECT_TRUE(
      joined_.notes_contain("c (grid 99x1x1, block 128x1x1) ran once in the timeline's step"));
}

TEST_F(JoinTracesTest, NotesOfAllTracesAreKept) {
  timeline_.step(8, "a");
  Meta note;
  note.notes.push_back({"of the timeline"});
  (void)timeline_.writer().add_meta(note);
  note.notes[0].text = "of the counters";
  (void)counters_.writer().add_meta(note);
  counters_.step(8, "a");
  join();
  EXPECT_TRUE(joined_.notes_contain("of the timeline"));
  EXPECT_TRUE(joined_.notes_contain("of the counters"));
}

TEST_F(JoinTracesTest, NothingToJoinIsSaid) {
  timeline_.step(8, "a");
  join();
  EXPECT_THAT(joined_.counters, IsEmpty());
  EXPECT_FALSE(joined_.meta.notes.empty());
}

TEST_F(JoinTracesTest, ATruncatedInputIsNoted) {
  timeline_.step(8, "a");
  counters_.step(8, "a");
  const std::string whole = timeline_.path();
  std::filesystem::resize_file(whole, std::filesystem::file_size(whole) - 1);
  join();
  EXPECT_TRUE(joined_.notes_contain(std::filesystem::path(whole).filename().string()));
}

TEST_F(JoinTracesTest, RefusesWhatCannotBelongTogether) {
  timeline_.step(8, "a");
  Recording other("counters", "Other GPU");
  other.step(8, "a");
  EXPECT_THAT(error_of([&] { join_traces(timeline_.path(), {other.path()}, output_); }),
              HasSubstr("counters of a Other GPU say nothing about a timeline of a Some GPU"));
  EXPECT_THAT(
      error_of([&] { join_traces(timeline_.path(), {counters_.path()}, timeline_.path()); }),
      HasSubstr("name another output"));
  EXPECT_THAT(error_of([&] { join_traces("/nowhere.rtrace", {counters_.path()}, output_); }),
              HasSubstr("/nowhere.rtrace"));
  EXPECT_THAT(
      error_of([&] { join_traces(timeline_.path(), {counters_.path()}, "/nowhere/out.rtrace"); }),
      HasSubstr("/nowhere/out.rtrace"));
}

}  // namespace
}  // namespace rooftop::join
