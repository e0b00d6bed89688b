#include "profiler/join/sample_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <vector>

namespace rooftop::join {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

class SampleSplitTest : public testing::Test {
 protected:
  void launch(std::int64_t begin, std::int64_t end) { split_.add_launch(next_++, {begin}, {end}); }
  void sample(std::int64_t begin, std::int64_t end, double value,
              Accrual accrual = Accrual::kWork) {
    split_.add_sample({begin}, {end}, 0, value, accrual);
  }
  // The launches that got a part, and how much.
  std::map<std::uint64_t, double> parts(std::int64_t until = kEnd) {
    std::map<std::uint64_t, double> parts;
    split_.split_until({until}, [&](std::uint64_t number, std::uint32_t, double value) {
      parts[number] += value;
    });
    return parts;
  }
  double unassigned() { return split_.totals().at(0).unassigned; }

  SampleSplit split_;
  std::uint64_t next_ = 0;
};

TEST_F(SampleSplitTest, LaunchesShareByTheirTime) {
  launch(0, 10);
  launch(10, 40);
  sample(0, 40, 80);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 20), Pair(1, 60)));
  EXPECT_EQ(unassigned(), 0);
}

TEST_F(SampleSplitTest, WhatRunsAtOnceShares) {
  launch(0, 20);
  launch(10, 20);  // half of the second half
  sample(0, 20, 80);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 60), Pair(1, 20)));
}

TEST_F(SampleSplitTest, WorkInAGapBelongsToTheLaunchesAround) {
  launch(0, 10);
  sample(0, 40, 80);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 80)));
  EXPECT_EQ(unassigned(), 0);
}

TEST_F(SampleSplitTest, TimeInAGapBelongsToNoLaunch) {
  launch(0, 10);
  sample(0, 40, 80, Accrual::kElapsed);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 20)));
  EXPECT_EQ(unassigned(), 60);
}

TEST_F(SampleSplitTest, WhereNothingRanNothingIsAssigned) {
  launch(0, 10);
  launch(20, 30);
  sample(10, 20, 5);
  EXPECT_THAT(parts(), IsEmpty());
  EXPECT_EQ(unassigned(), 5);
}

TEST_F(SampleSplitTest, ALaunchCollectsFromManySamples) {
  launch(5, 35);
  for (std::int64_t t = 0; t < 40; t += 10) sample(t, t + 10, 10);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 40)));
}

TEST_F(SampleSplitTest, WaitsForLaunchesThatMayStillBegin) {
  launch(0, 10);
  sample(0, 10, 1);
  sample(10, 20, 2);
  EXPECT_THAT(parts(15), ElementsAre(Pair(0, 1)));
  EXPECT_EQ(split_.earliest_pending({99}), Timestamp{10});
  launch(15, 30);
  EXPECT_THAT(parts(), ElementsAre(Pair(1, 2)));
  EXPECT_EQ(split_.earliest_pending({99}), Timestamp{99});
}

TEST_F(SampleSplitTest, ALongLaunchSpansCalls) {
  launch(0, 100);
  sample(0, 10, 1);
  EXPECT_THAT(parts(10), ElementsAre(Pair(0, 1)));
  launch(50, 60);
  sample(50, 60, 4);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 2), Pair(1, 2)));
}

TEST_F(SampleSplitTest, LaterIntervalsThatReachLessFarSeeOnlyTheirOwn) {
  launch(0, 10);
  launch(50, 60);
  sample(0, 100, 10);
  sample(5, 20, 3);
  EXPECT_THAT(parts(), ElementsAre(Pair(0, 8), Pair(1, 5)));
}

TEST_F(SampleSplitTest, NonsenseStaysUnassignedOrOut) {
  launch(0, 10);
  launch(10, 10);  // took no time
  sample(5, 5, 3);
  sample(9, 5, 3);
  sample(0, kEnd, 3);
  sample(0, 10, std::numeric_limits<double>::quiet_NaN());
  sample(0, 10, -1);
  EXPECT_THAT(parts(), IsEmpty());
  EXPECT_EQ(unassigned(), 9);
}

TEST_F(SampleSplitTest, LateSamplesAreCountedNotAssigned) {
  launch(0, 10);
  launch(20, 30);
  sample(20, 30, 1);
  parts();
  sample(0, 10, 7);
  EXPECT_THAT(parts(), IsEmpty());
  EXPECT_EQ(unassigned(), 7);
}

// An oracle that knows nothing of edges: each nanosecond by itself.
TEST(SampleSplitProperty, PartsAndRestAreTheSamples) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto number = [&](int below) { return static_cast<std::int64_t>(random() % below); };
    std::vector<std::pair<std::int64_t, std::int64_t>> launches(random() % 8);
    for (auto& [begin, end] : launches) end = (begin = number(60)) + number(30);
    std::sort(launches.begin(), launches.end());
    SampleSplit split;
    for (std::size_t i = 0; i < launches.size(); ++i) {
      split.add_launch(i, {launches[i].first}, {launches[i].second});
    }
    std::vector<double> wanted(launches.size());
    double all = 0;
    double rest = 0;
    const Accrual accrual = seed % 2 == 0 ? Accrual::kWork : Accrual::kElapsed;
    for (std::int64_t t = 0; t < 90;) {
      const std::int64_t end = t + 1 + number(20);
      const auto value = static_cast<double>(number(1000));
      split.add_sample({t}, {end}, 0, value, accrual);
      std::vector<double> time(launches.size());
      double busy = 0;
      for (std::int64_t ns = t; ns < end; ++ns) {
        std::vector<std::size_t> running;
        for (std::size_t i = 0; i < launches.size(); ++i) {
          if (launches[i].first <= ns && ns < launches[i].second) running.push_back(i);
        }
        for (const std::size_t i : running) time[i] += 1.0 / static_cast<double>(running.size());
        busy += running.empty() ? 0 : 1;
      }
      const double whole = accrual == Accrual::kWork ? busy : static_cast<double>(end - t);
      double given = 0;
      for (std::size_t i = 0; i < launches.size() && busy > 0; ++i) {
        wanted[i] += value * time[i] / whole;
        given += value * time[i] / whole;
      }
      all += value;
      rest += value - given;
      t = end;
    }
    std::vector<double> got(launches.size());
    // In two calls, as a stream has it.
    const auto sink = [&](std::uint64_t n, std::uint32_t, double value) { got[n] += value; };
    split.split_until({number(90)}, sink);
    split.split_until({kEnd}, sink);
    double sum = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], wanted[i], 1e-6) << seed;
      sum += got[i];
    }
    const SampleSplit::Totals totals = split.totals().at(0);
    EXPECT_NEAR(totals.all, all, 1e-6) << seed;
    EXPECT_NEAR(totals.unassigned, rest, 1e-6) << seed;
    EXPECT_NEAR(sum + totals.unassigned, all, 1e-6) << seed;
  }
}

}  // namespace
}  // namespace rooftop::join
