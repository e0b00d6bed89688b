#include "profiler/roofs/pinned_threads.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <mutex>
#include <set>

#include "profiler/core/machine.h"

namespace rooftop {
namespace {

TEST(PartOf, CoversEverythingOnceInWholeUnits) {
  for (const std::uint64_t total : {0ULL, 1ULL, 4096ULL, 5 * 4096ULL, 1'000'000ULL}) {
    for (int n = 1; n <= 9; ++n) {
      std::uint64_t next = 0;
      for (int i = 0; i < n; ++i) {
        const Part part = part_of(total, 4096, i, n);
        EXPECT_EQ(part.begin, next);
        EXPECT_LE(part.begin, part.end);
        EXPECT_EQ(part.begin % 4096, 0U);
        EXPECT_LE(part.size(), (total / 4096 / static_cast<unsigned>(n) + 2) * 4096);
        next = part.end;
      }
      EXPECT_EQ(next, total);
    }
  }
}

int processors_allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  return CPU_COUNT(&set);
}

TEST(PinnedThreads, GivesEachThreadAProcessorAndLetsGoAgain) {
  const int allowed = processors_allowed();
  const int threads_before = omp_get_max_threads();
  {
    const PinnedThreads team(allowed);
    ASSERT_EQ(team.count(), allowed);
    std::mutex mutex;
    std::set<int> processors;
    std::set<int> indices;
    team.run([&](int thread) {
      const std::lock_guard lock(mutex);
      EXPECT_EQ(processors_allowed(), 1);
      processors.insert(sched_getcpu());
      indices.insert(thread);
    });
    EXPECT_EQ(processors.size(), static_cast<std::size_t>(allowed));
    EXPECT_EQ(indices.size(), static_cast<std::size_t>(allowed));
  }
  EXPECT_EQ(omp_get_max_threads(), threads_before);
  EXPECT_EQ(processors_allowed(), allowed);
#pragma omp parallel num_threads(allowed)
  { EXPECT_EQ(processors_allowed(), allowed); }
}

TEST(PinnedThreads, MoreThreadsThanProcessorsAreNotPinned) {
  const int allowed = processors_allowed();
  const PinnedThreads team(allowed + 3);
  EXPECT_EQ(team.count(), allowed + 3);
  std::mutex mutex;
  std::set<int> indices;
  team.run([&](int thread) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(processors_allowed(), allowed);
    indices.insert(thread);
  });
  EXPECT_EQ(indices.size(), static_cast<std::size_t>(allowed) + 3);
}

}  // namespace
}  // namespace rooftop
