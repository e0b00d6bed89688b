#include "profiler/join/counter_join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/join/recordings.h"

namespace rooftop::join {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kBytes = "dram__bytes_read.sum";
constexpr std::string_view kTensor = "sm__ops_path_tensor_src_bf16_dst_fp32.sum";

class CounterJoinTest : public testing::Test {
 protected:
  // The launches of a step, a letter each; capital letters are matrix products.
  std::vector<StepLaunch> launches(std::string_view letters) {
    std::vector<StepLaunch> result;
    for (const char letter : letters) {
      KernelRecord record;
      record.grid = {static_cast<std::uint32_t>(letter), 1, 1};
      const bool product = letter >= 'A' && letter <= 'Z';
      result.push_back(
          {.signature = signatures_.signature(record, signatures_.name(std::string(1, letter))),
           .op = product ? Operator::kDown : Operator::kQkPv});
    }
    return result;
  }

  static StepKey at(std::uint32_t length) { return key_of(decode_step(length)); }

  std::vector<SetId> counted(std::uint32_t length, std::string_view letters) {
    return join_.add_counter_step(at(length), launches(letters));
  }
  CounterJoin::Match match(std::uint32_t length, std::string_view letters,
                           Coverage coverage = Coverage::kAll) {
    return join_.match(at(length), launches(letters), coverage);
  }
  void observe(SetId set, double value, std::string_view metric = kBytes,
               Provenance source = Provenance::kMeasured) {
    join_.observe(set, join_.metric(metric), value, source);
  }
  // The values that each launch got, 0 for none.
  std::vector<double> values(const CounterJoin::Match& match) const {
    std::vector<double> result;
    for (const SetId set : match.sets) {
      const auto counters = join_.counters(set);
      result.push_back(counters.empty() ? 0 : counters.front().value);
    }
    return result;
  }

  Signatures signatures_;
  CounterJoin join_{signatures_};
};

TEST_F(CounterJoinTest, GivesEachLaunchWhatWasCountedAtItsPlace) {
  const auto sets = counted(8, "abab");
  for (std::size_t i = 0; i < sets.size(); ++i)
    observe(sets[i], 10.0 * (static_cast<double>(i) + 1));
  const auto m = match(8, "abab");
  EXPECT_EQ(m.fit, Fit::kInOrder);
  EXPECT_THAT(values(m), ElementsAre(10, 20, 30, 40));
  EXPECT_EQ(join_.counters(m.sets[0])[0].source, Provenance::kJoined);
}

TEST_F(CounterJoinTest, StreamsMayInterleaveOtherwise) {
  const auto sets = counted(8, "abab");
  for (std::size_t i = 0; i < sets.size(); ++i)
    observe(sets[i], 10.0 * (static_cast<double>(i) + 1));
  const auto m = match(8, "aabb");
  EXPECT_EQ(m.fit, Fit::kReordered);
  EXPECT_THAT(values(m), ElementsAre(10, 30, 20, 40));
}

TEST_F(CounterJoinTest, NothingCrossesToAStepOfAnotherLength) {
  observe(counted(8, "a")[0], 10);
  const auto m = match(9, "a");
  EXPECT_EQ(m.fit, Fit::kNoEqualStep);
  EXPECT_THAT(values(m), ElementsAre(0));
}

TEST_F(CounterJoinTest, EveryPartOfTheKeyKeepsStepsApart) {
  const StepKey key = at(8);
  observe(join_.add_counter_step(key, launches("a"))[0], 10);
  const auto fit = [&](auto change) {
    StepKey other = key;
    change(other);
    return join_.match(other, launches("a")).fit;
  };
  EXPECT_EQ(fit([](StepKey&) {}), Fit::kInOrder);
  EXPECT_EQ(fit([](StepKey& k) { k.phase = Phase::kInit; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.batch = 2; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.query_tokens = 2; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.total_query_tokens = 2; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.total_keys = 9; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.attention_pairs = 9; }), Fit::kNoEqualStep);
  EXPECT_EQ(fit([](StepKey& k) { k.logit_rows = 2; }), Fit::kNoEqualStep);
}

TEST_F(CounterJoinTest, AMissingAnExtraOrARenamedKernelKeepsTheWholeStepOut) {
  for (const SetId set : counted(8, "aab")) observe(set, 10);
  for (const std::string_view other : {"ab", "aaab", "aac", "a", ""}) {
    const auto m = match(8, other);
    EXPECT_EQ(m.fit, Fit::kOtherKernels) << other;
    for (const SetId set : m.sets) EXPECT_THAT(join_.counters(set), IsEmpty()) << other;
  }
  EXPECT_EQ(match(8, "ab").difference,
            "a (grid 97x1x1, block 0x0x0) ran once in the timeline's step and 2 times in the "
            "counters'");
  EXPECT_THAT(match(8, "aac").difference,
              HasSubstr("c (grid 99x1x1, block 0x0x0) ran once in the timeline's step and never"));
  EXPECT_THAT(match(8, "aa").difference, HasSubstr("b (grid 98x1x1, block 0x0x0) ran never"));
}

TEST_F(CounterJoinTest, AnotherLaunchShapeIsAnotherKernel) {
  KernelRecord record;
  const auto name = signatures_.name("gemm");
  std::vector<SignatureId> ids = {signatures_.signature(record, name)};
  const auto with = [&](auto change) {
    KernelRecord other = record;
    change(other);
    ids.push_back(signatures_.signature(other, name));
  };
  with([](KernelRecord& k) { k.grid[2] = 2; });
  with([](KernelRecord& k) { k.block[1] = 2; });
  with([](KernelRecord& k) { k.dynamic_shared_bytes = 2; });
  with([](KernelRecord& k) { k.device = 1; });
  ids.push_back(signatures_.signature(record, signatures_.name("other")));
  EXPECT_THAT(ids, ElementsAre(0, 1, 2, 3, 4, 5));
  record.stream = 7;
  record.registers_per_thread = 9;
  record.static_shared_bytes = 2;  // which counters' recordings do not know
  EXPECT_EQ(signatures_.signature(record, name), 0U);
}

TEST_F(CounterJoinTest, OfTwoSequencesAtOneKeyEachStepFindsItsOwn) {
  observe(counted(8, "aab")[0], 10);
  observe(counted(8, "abb")[0], 20);
  EXPECT_THAT(values(match(8, "abb")), ElementsAre(20, 0, 0));
  EXPECT_THAT(values(match(8, "aab")), ElementsAre(10, 0, 0));
  EXPECT_EQ(match(8, "abc").fit, Fit::kOtherKernels);
}

TEST_F(CounterJoinTest, ObservationsAreAveragedAndTheirSpreadIsTold) {
  observe(counted(8, "a")[0], 90);
  observe(counted(8, "a")[0], 110);
  EXPECT_THAT(values(match(8, "a")), ElementsAre(100));
  const auto spreads = join_.spreads();
  ASSERT_EQ(spreads.size(), 1U);
  EXPECT_EQ(spreads[0].metric, kBytes);
  EXPECT_DOUBLE_EQ(spreads[0].relative, 0.2);
}

TEST_F(CounterJoinTest, RotatedConfigurationsComeTogether) {
  observe(counted(8, "a")[0], 100, kBytes);
  observe(counted(8, "a")[0], 7, "dram__bytes_write.sum");
  observe(counted(8, "a")[0], 9, "lts__t_bytes.sum");
  EXPECT_EQ(join_.counters(match(8, "a").sets[0]).size(), 3U);
}

TEST_F(CounterJoinTest, AMeasuredObservationReplacesARememberedOne) {
  const SetId set = counted(8, "a")[0];
  observe(set, 5, kTensor, Provenance::kMemoised);
  EXPECT_EQ(join_.counters(set)[0].source, Provenance::kMemoised);
  observe(set, 8, kTensor);
  observe(set, 6, kTensor, Provenance::kMemoised);
  ASSERT_EQ(join_.counters(set).size(), 1U);
  EXPECT_EQ(join_.counters(set)[0].source, Provenance::kJoined);
  EXPECT_EQ(join_.counters(set)[0].value, 8);
}

TEST_F(CounterJoinTest, AMatrixProductsOperationsCrossLengthsAfterTwoEqualObservations) {
  observe(counted(8, "Aa")[0], 512, kTensor);
  EXPECT_THAT(values(match(10, "Aa")), ElementsAre(0, 0));
  const auto sets = counted(9, "Aa");
  observe(sets[0], 512, kTensor);
  observe(sets[0], 77, kBytes);   // bytes do not
  observe(sets[1], 99, kTensor);  // nor what attention does
  observe(counted(8, "Aa")[1], 99, kTensor);
  const auto m = match(10, "Aa");
  EXPECT_EQ(m.fit, Fit::kNoEqualStep);
  EXPECT_THAT(values(m), ElementsAre(512, 0));
  EXPECT_EQ(join_.counters(m.sets[0])[0].source, Provenance::kMemoised);
}

TEST_F(CounterJoinTest, UnequalObservationsAreNotRemembered) {
  observe(counted(8, "A")[0], 512, kTensor);
  observe(counted(9, "A")[0], 513, kTensor);
  EXPECT_THAT(values(match(10, "A")), ElementsAre(0));
}

TEST_F(CounterJoinTest, OtherRowsAreOtherWork) {
  observe(counted(8, "A")[0], 512, kTensor);
  observe(counted(9, "A")[0], 512, kTensor);
  StepKey two = at(10);
  two.total_query_tokens = 2;
  EXPECT_THAT(values(join_.match(two, launches("A"))), ElementsAre(0));
}

TEST_F(CounterJoinTest, WhatAStepWasNotCountedForIsFilledFromMemory) {
  observe(counted(8, "A")[0], 512, kTensor);
  observe(counted(9, "A")[0], 512, kTensor);
  observe(counted(10, "A")[0], 4096, kBytes);
  const auto counters = join_.counters(match(10, "A").sets[0]);
  ASSERT_EQ(counters.size(), 2U);
  EXPECT_EQ(counters[0].source, Provenance::kJoined);
  EXPECT_EQ(counters[1].source, Provenance::kMemoised);
}

TEST_F(CounterJoinTest, AFilteredRecordingCoversTheKernelsThatItHasAllCallsOf) {
  const auto sets = counted(8, "aab");
  for (std::size_t i = 0; i < sets.size(); ++i)
    observe(sets[i], 10.0 * (static_cast<double>(i) + 1));
  const auto m = match(8, "cacabb", Coverage::kSome);
  EXPECT_EQ(m.fit, Fit::kPartly);
  EXPECT_THAT(values(m), ElementsAre(0, 10, 0, 20, 0, 0));  // b ran twice here, once there
  EXPECT_EQ(match(8, "cc", Coverage::kSome).fit, Fit::kOtherKernels);
}

TEST_F(CounterJoinTest, WhatIsNoNumberIsNoObservation) {
  const SetId set = counted(8, "a")[0];
  observe(set, std::numeric_limits<double>::quiet_NaN());
  observe(set, std::numeric_limits<double>::infinity());
  observe(set, 1, kBytes, Provenance::kAbsent);
  observe(0, 1);
  EXPECT_THAT(join_.counters(set), IsEmpty());
  EXPECT_THAT(join_.counters(0), IsEmpty());
}

}  // namespace
}  // namespace rooftop::join
