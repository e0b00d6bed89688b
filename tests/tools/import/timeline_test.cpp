#include "tools/import/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::import {
namespace {

Range range(ThreadIndex thread, std::int64_t begin, std::int64_t end, NameId name) {
  Range r;
  r.thread = thread;
  r.begin = begin;
  r.end = end;
  r.name = name;
  return r;
}

// A random tree of ranges on each thread, with launches within and between them.
class RandomProgram {
 public:
  explicit RandomProgram(std::uint64_t seed) : random_(seed) {
    for (ThreadIndex thread = 0; thread < 3; ++thread) {
      timeline.thread(std::to_string(thread), thread);
      grow(thread, 0, 100'000, 0, 0);
    }
    std::shuffle(ranges_.begin(), ranges_.end(), random_);
    for (const Range& r : ranges_) timeline.add_range(r);
    std::shuffle(launches_.begin(), launches_.end(), random_);
    for (const auto& [correlation, thread, time, inner] : launches_) {
      timeline.add_launch(correlation, thread, time);
    }
    for (const auto& [correlation, thread, time, inner] : launches_) {
      timeline.add_device_event({}, time + 10, time + 20, correlation, 0);
      expected[correlation] = inner;
    }
  }

  Timeline timeline;
  std::map<std::uint64_t, NameId> expected;  // name of the innermost range, 0 for none

 private:
  struct Launch {
    std::uint64_t correlation;
    ThreadIndex thread;
    std::int64_t time;
    NameId inner;
  };

  void grow(ThreadIndex thread, std::int64_t begin, std::int64_t end, NameId inner, int depth) {
    std::int64_t at = begin + 1;
    while (at < end - 20 && launches_.size() < 3000) {
      const auto step = static_cast<std::int64_t>(random_() % 200) + 1;
      if (random_() % 3 == 0) {
        launches_.push_back({launches_.size() + 1, thread, at, inner});
        at += step;
      } else if (depth < 6) {
        const std::int64_t stop =
            std::min(end - 1, at + 10 + static_cast<std::int64_t>(random_() % 4000));
        const NameId name = timeline.names.id("r" + std::to_string(ranges_.size()));
        ranges_.push_back(range(thread, at, stop, name));
        grow(thread, at, stop, name, depth + 1);
        at = stop + step;
      } else {
        at += step;
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<Range> ranges_;
  std::vector<Launch> launches_;
};

TEST(Timeline, FindsTheInnermostRangeOfEveryLaunchWhateverTheOrder) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    RandomProgram program(seed);
    Timeline& timeline = program.timeline;
    timeline.link();
    ASSERT_EQ(timeline.events().size(), program.expected.size());
    ASSERT_GT(timeline.events().size(), 100U);
    for (const DeviceEvent& event : timeline.events()) {
      const NameId found = event.range == 0 ? 0 : timeline.ranges()[event.range - 1].name;
      ASSERT_EQ(found, program.expected[event.correlation]) << seed << ", " << event.correlation;
    }
    for (const Range& r : timeline.ranges()) {
      if (r.link == 0) continue;
      const Range& parent = timeline.ranges()[r.link - 1];
      EXPECT_TRUE(parent.thread == r.thread && parent.begin <= r.begin && r.end <= parent.end);
      EXPECT_TRUE(parent.needed || !r.needed) << "ancestors of what is needed are needed";
    }
  }
}

TEST(Timeline, RangesWithTheSameEndsNestByKind) {
  Timeline t;
  Range op = range(0, 10, 20, t.names.id("op"));
  Range annotation = range(0, 10, 20, t.names.id("annotation"));
  annotation.kind = RangeKind::kAnnotation;
  t.thread("0", 0);
  t.add_range(op);
  t.add_range(annotation);
  t.add_launch(1, 0, 15);
  t.add_device_event({}, 30, 40, 1, 0);
  t.link();
  const Range& inner = t.ranges()[t.events()[0].range - 1];
  EXPECT_EQ(t.names.text(inner.name), "op");
  EXPECT_EQ(t.names.text(t.ranges()[inner.link - 1].name), "annotation");
}

TEST(Timeline, ANeighbourIsNoParent) {
  Timeline t;
  t.thread("0", 0);
  t.add_range(range(0, 0, 10, t.names.id("first")));
  t.add_range(range(0, 10, 20, t.names.id("second")));
  t.add_launch(1, 0, 12);
  t.add_device_event({}, 30, 40, 1, 0);
  t.link();
  EXPECT_EQ(t.ranges()[1].link, 0U);
  EXPECT_FALSE(t.ranges()[0].needed);
}

TEST(Timeline, AnOperatorIsFoundByItsIdWhereTheLaunchIsMissing) {
  Timeline t;
  t.thread("0", 0);
  Range op = range(0, 0, 10, t.names.id("op"));
  op.external = 77;
  t.add_range(op);
  t.add_device_event({}, 30, 40, 5, 77);
  t.add_device_event({}, 50, 60, 6, 78);
  t.link();
  EXPECT_EQ(t.events()[0].range, 1U);
  EXPECT_EQ(t.events()[1].range, 0U);
  EXPECT_EQ(t.losses.without_launch, 1U);
}

TEST(Timeline, LeavesOutWhatHasNoUsableTime) {
  Timeline t;
  t.thread("0", 0);
  t.add_device_event({}, 20, 10, 1, 0);
  t.add_device_event({}, 20, 20, 2, 0);
  t.add_device_event({}, INT64_MIN, INT64_MAX, 3, 0);
  t.add_range(range(0, 5, 4, 0));
  t.add_range(range(0, INT64_MIN, 4, 0));
  t.link();
  EXPECT_EQ(t.events().size(), 1U);
  EXPECT_EQ(t.losses.negative_durations, 2U);
  EXPECT_EQ(t.losses.zero_durations, 1U);
  EXPECT_EQ(t.losses.unusable_times, 2U);
}

TEST(Timeline, OutermostOperatorsStandForLaunchesWithoutADevice) {
  Timeline t;
  t.thread("0", 0);
  const auto add = [&](std::int64_t begin, std::int64_t end, const char* name) {
    t.add_range(range(0, begin, end, t.names.id(name)));
  };
  add(0, 100, "CompiledRegion");
  add(10, 20, "aten::linear");
  add(11, 19, "aten::addmm");
  add(30, 40, "fused_0");
  add(50, 60, "aten::mul");
  t.link();
  std::vector<std::string> names;
  for (const std::uint32_t i : t.cpu_launches()) names.push_back(t.names.text(t.ranges()[i].name));
  EXPECT_EQ(names, (std::vector<std::string>{"aten::linear", "fused_0", "aten::mul"}));
}

TEST(Names, AreBounded) {
  Names names;
  const NameId first = names.id("first");
  for (int i = 0; i < 1'200'000; ++i) names.id("name " + std::to_string(i));
  EXPECT_TRUE(names.overflowed());
  EXPECT_LT(names.size(), 1U << 20);
  EXPECT_EQ(names.id("first"), first);
  EXPECT_EQ(names.id("another"), names.id("yet another"));
}

}  // namespace
}  // namespace rooftop::import
