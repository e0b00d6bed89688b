// Random steps against the definition of the join, and its cost in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <random>

#include "profiler/join/counter_join.h"
#include "profiler/join/join_traces.h"
#include "tests/join/recordings.h"
#include "tests/trace/memory_tracker.h"

namespace rooftop::join {
namespace {

constexpr std::string_view kBytes = "dram__bytes_read.sum";

struct CountedStep {
  std::uint32_t length = 0;
  std::string kernels;
  std::vector<double> bytes;
};

std::vector<CountedStep> random_steps(std::mt19937& random) {
  std::vector<CountedStep> steps(2 + random() % 8);
  for (CountedStep& step : steps) {
    step.length = static_cast<std::uint32_t>(1 + random() % 3);
    for (std::size_t i = 1 + random() % 6; i > 0; --i) {
      step.kernels += static_cast<char>('a' + random() % 3);
      step.bytes.push_back(static_cast<double>(random() % 100));
    }
  }
  return steps;
}

// The definition, word by word: the mean over the counter steps of equal length with the same
// letters, of what the n-th launch of that letter counted. Negative: none.
double expected(const std::vector<CountedStep>& counted, std::uint32_t length,
                const std::string& kernels, std::size_t place) {
  const auto letters = [](std::string text) {
    std::sort(text.begin(), text.end());
    return text;
  };
  const auto ordinal =
      std::count(kernels.begin(), kernels.begin() + static_cast<int>(place), kernels[place]);
  double sum = 0;
  int observations = 0;
  for (const CountedStep& step : counted) {
    if (step.length != length || letters(step.kernels) != letters(kernels)) continue;
    std::ptrdiff_t seen = 0;
    for (std::size_t i = 0; i < step.kernels.size(); ++i) {
      if (step.kernels[i] != kernels[place] || seen++ != ordinal) continue;
      sum += step.bytes[i];
      ++observations;
    }
  }
  return observations == 0 ? -1 : sum / observations;
}

// What each launch of the timeline's steps gets.
std::vector<double> joined(const std::vector<CountedStep>& counted,
                           const std::vector<CountedStep>& timeline) {
  Recording times;
  std::vector<KernelId> kernels;
  for (const CountedStep& step : timeline) {
    for (const KernelId id : times.step(step.length, step.kernels)) kernels.push_back(id);
  }
  Recording counters("counters");
  for (const CountedStep& step : counted) {
    const auto ids = counters.step(step.length, step.kernels);
    for (std::size_t i = 0; i < ids.size(); ++i) counters.counter(ids[i], kBytes, step.bytes[i]);
  }
  const std::string output = scratch_path();
  join_traces(times.path(), {counters.path()}, output);
  const Contents result = contents(output);
  std::filesystem::remove(output);
  std::vector<double> values;
  for (const KernelId id : kernels) {
    const auto found = result.of(id);
    EXPECT_LE(found.size(), 1U);
    values.push_back(found.empty() ? -1 : found[0].value);
  }
  return values;
}

TEST(JoinProperty, IsItsDefinition) {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto counted = random_steps(random);
    auto timeline = random_steps(random);
    timeline.push_back(counted.front());
    std::vector<double> wanted;
    for (const CountedStep& step : timeline) {
      for (std::size_t i = 0; i < step.kernels.size(); ++i) {
        wanted.push_back(expected(counted, step.length, step.kernels, i));
      }
    }
    const auto got = joined(counted, timeline);
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-9) << seed;
  }
}

TEST(JoinProperty, TheOrderOfCounterStepsDoesNotMatter) {
  for (std::uint32_t seed = 0; seed < 25; ++seed) {
    std::mt19937 random(seed);
    auto counted = random_steps(random);
    const auto timeline = random_steps(random);
    const auto before = joined(counted, timeline);
    std::shuffle(counted.begin(), counted.end(), random);
    const auto after = joined(counted, timeline);
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-9) << seed;
  }
}

// A million launches: what the join holds of them, and that it takes no more than a few seconds.
TEST(JoinProperty, AMillionLaunchesFitInBoundedMemory) {
  constexpr int kSteps = 2000;
  constexpr int kLaunches = 500;
  std::string letters;
  for (int i = 0; i < kLaunches; ++i) letters += static_cast<char>('a' + i % 16);
  Recording times;
  Recording counters("counters");
  for (int i = 0; i < kSteps; ++i) {
    times.step(8, letters);
    const auto ids = counters.step(8, letters);
    if (i % 100 == 0) {
      for (const KernelId id : ids) counters.counter(id, kBytes, 1);
    }
  }
  const std::string timeline = times.path();
  const std::string counted = counters.path();
  const std::string output = scratch_path();
  rooftop::testing::reset_peak();
  const JoinSummary summary = join_traces(timeline, {counted}, output);
  const std::size_t peak = rooftop::testing::peak_bytes();
  std::filesystem::remove(output);
  EXPECT_EQ(summary.joined_launches, static_cast<std::uint64_t>(kSteps) * kLaunches);
  if (rooftop::testing::tracks_memory()) {
    EXPECT_LT(peak, 120U * 1000 * 1000);
  }
}

}  // namespace
}  // namespace rooftop::join
