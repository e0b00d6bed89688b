#include "profiler/roofline/device_timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace rooftop {
namespace {

using Interval = StepTable::Interval;

struct Busy {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::size_t owner = 0;
};

struct Division {
  std::vector<double> owned;
  double idle = 0;
  double overlap = 0;
};

// The oracle: instant by instant.
Division by_the_instant(const std::vector<Interval>& region, const std::vector<Busy>& runs,
                        std::size_t owners, std::int64_t last) {
  Division division{.owned = std::vector<double>(owners)};
  for (std::int64_t t = 0; t < last; ++t) {
    std::vector<std::size_t> running;
    for (const Busy& run : runs) {
      if (run.begin <= t && t < run.end) running.push_back(run.owner);
    }
    for (const std::size_t owner : running) {
      if (owner != DeviceTimeline::kNobody) {
        division.owned[owner] += 1.0 / static_cast<double>(running.size());
      }
    }
    if (running.size() > 1) division.overlap += 1;
    if (!running.empty()) continue;
    division.idle += std::any_of(region.begin(), region.end(), [&](const Interval& i) {
      return i.begin.ns <= t && t < i.end.ns;
    });
  }
  return division;
}

TEST(DeviceTimeline, AgreesWithAnInstantByInstantAccount) {
  std::mt19937 random(11);
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  constexpr std::size_t kOwners = 4;
  for (int round = 0; round < 300; ++round) {
    std::vector<Interval> region;
    std::int64_t end = between(0, 20);
    for (int i = between(0, 4); i > 0; --i) {
      const std::int64_t begin = end + between(1, 15);
      end = begin + between(1, 60);
      region.push_back({.begin = {begin}, .end = {end}});
    }
    std::vector<Busy> runs;
    for (int i = between(0, 25); i > 0; --i) {
      const std::int64_t begin = between(0, 200);
      const std::size_t owner = between(0, 4) == 4 ? DeviceTimeline::kNobody : between(0, 3);
      runs.push_back({.begin = begin, .end = begin + between(0, 40), .owner = owner});
    }
    std::stable_sort(runs.begin(), runs.end(),
                     [](const Busy& a, const Busy& b) { return a.begin < b.begin; });

    DeviceTimeline timeline(region);
    for (const Busy& run : runs) EXPECT_TRUE(timeline.add({run.begin}, {run.end}, run.owner));
    timeline.finish();
    const Division expected = by_the_instant(region, runs, kOwners, 500);
    for (std::size_t owner = 0; owner < kOwners; ++owner) {
      EXPECT_NEAR(timeline.owned(owner), expected.owned[owner], 1e-9);
    }
    EXPECT_EQ(timeline.idle(), expected.idle);
    EXPECT_EQ(timeline.overlap(), expected.overlap);
  }
}

TEST(DeviceTimeline, WorkedExample) {
  const std::vector<Interval> region = {{.begin = {100}, .end = {200}}};
  DeviceTimeline timeline(region);
  timeline.add({110}, {150}, 0);  // alone 110..130, with another 130..150
  timeline.add({130}, {170}, 1);  // then alone to 170
  timeline.finish();
  EXPECT_EQ(timeline.owned(0), 30);
  EXPECT_EQ(timeline.owned(1), 30);
  EXPECT_EQ(timeline.overlap(), 20);
  EXPECT_EQ(timeline.idle(), 40);
  EXPECT_EQ(timeline.owned(7), 0);
}

TEST(DeviceTimeline, ALateLaunchOnlyGetsWhatIsLeft) {
  const std::vector<Interval> region = {{.begin = {0}, .end = {100}}};
  DeviceTimeline timeline(region);
  EXPECT_TRUE(timeline.add({50}, {60}, 0));
  EXPECT_FALSE(timeline.add({10}, {20}, 1));  // that time went by as idle
  EXPECT_FALSE(timeline.add({40}, {60}, 1));  // shares 50..60
  timeline.finish();
  EXPECT_EQ(timeline.owned(0), 5);
  EXPECT_EQ(timeline.owned(1), 5);
  EXPECT_EQ(timeline.owned(0) + timeline.owned(1) + timeline.idle(), 100);
}

TEST(DeviceTimeline, StaysExactOverALongDenseRun) {
  // Two streams that never pause for an hour: the integral is never reset.
  DeviceTimeline timeline({});
  constexpr std::int64_t kLaunches = 1'000'000;
  constexpr std::int64_t kEach = 3600;
  for (std::int64_t i = 0; i < kLaunches; ++i) {
    timeline.add({i * kEach}, {(i + 2) * kEach}, static_cast<std::size_t>(i % 3));
  }
  timeline.finish();
  const double all = timeline.owned(0) + timeline.owned(1) + timeline.owned(2);
  EXPECT_NEAR(all / ((kLaunches + 1) * kEach), 1, 1e-12);
}

}  // namespace
}  // namespace rooftop
