// Traces that no recorder writes: the join may find nothing in them, but it ends, and loses nothing
// of the timeline.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <random>

#include "profiler/core/error.h"
#include "profiler/join/join_traces.h"
#include "tests/join/recordings.h"

namespace rooftop::join {
namespace {

// Ids from a small range, so that scopes are one another's parents, steps have ids twice and
// kernels lie in scopes that are not there.
void add_nonsense(Recording& recording, std::mt19937& random) {
  const auto number = [&](std::uint64_t below) { return random() % below; };
  const auto time = [&] {
    const std::int64_t odd[] = {-5, 0, std::numeric_limits<std::int64_t>::max()};
    return Timestamp{number(20) == 0 ? odd[number(3)] : static_cast<std::int64_t>(number(1000))};
  };
  trace::Writer& writer = recording.writer();
  for (int i = 0; i < 60; ++i) {
    ScopeRecord scope = decode_step(static_cast<std::uint32_t>(number(3)));
    scope.id = number(12);
    scope.parent = number(12);
    scope.kind = static_cast<ScopeKind>(1 + number(3));
    scope.op = static_cast<Operator>(number(kOperatorCount));
    scope.flags = number(4) == 0 ? kStepWarmup : 0;
    scope.begin = time();
    scope.end = time();
    ASSERT_TRUE(writer.add(scope).ok());
    KernelRecord kernel;
    kernel.id = number(40);
    kernel.begin = time();
    kernel.end = time();
    kernel.name = writer.intern(std::string(1, static_cast<char>('a' + number(3))));
    kernel.scope = number(14);
    kernel.launch_scope = number(3) == 0 ? number(14) : 0;
    kernel.graph_node = number(3);
    kernel.device = static_cast<std::uint32_t>(number(2) * number(4'000'000'000));
    ASSERT_TRUE(writer.add(kernel).ok());
    const double odd[] = {std::numeric_limits<double>::quiet_NaN(), -1,
                          std::numeric_limits<double>::infinity(), 1e308};
    recording.counter(number(45), number(2) == 0 ? "dram__bytes_read.sum" : "", odd[number(4)],
                      static_cast<Provenance>(1 + number(7)));
  }
}

TEST(JoinHostile, NonsenseIsCarriedOverAndEnds) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Recording timeline;
    Recording counters("counters");
    add_nonsense(timeline, random);
    add_nonsense(counters, random);
    const std::string output = scratch_path();
    const JoinSummary summary = join_traces(timeline.path(), {counters.path()}, output);
    const Contents before = contents(timeline.path());
    const Contents after = contents(output);
    std::filesystem::remove(output);
    EXPECT_EQ(after.kernels.size(), before.kernels.size()) << seed;
    EXPECT_EQ(after.scopes.size(), before.scopes.size()) << seed;
    EXPECT_EQ(after.names, before.names) << seed;
    EXPECT_GE(after.counters.size(), before.counters.size()) << seed;
    EXPECT_LE(summary.joined_launches, summary.launches) << seed;
    EXPECT_EQ(summary.joined_steps + summary.unequal_steps + summary.differing_steps, summary.steps)
        << seed;
  }
}

TEST(JoinHostile, ADamagedInputLeavesNoOutput) {
  Recording timeline;
  timeline.step(8, "abc");
  Recording counters("counters");
  counters.step(8, "abc");
  const std::string broken = counters.path();
  std::filesystem::resize_file(broken, 20);
  const std::string output = scratch_path();
  for (const std::string& input : {broken, std::string("/dev/null")}) {
    try {
      join_traces(timeline.path(), {input}, output);
    } catch (const InputError& e) {
      EXPECT_NE(std::string(e.what()).find(input), std::string::npos);
      EXPECT_FALSE(std::filesystem::exists(output));
    }
    std::filesystem::remove(output);
  }
}

}  // namespace
}  // namespace rooftop::join
