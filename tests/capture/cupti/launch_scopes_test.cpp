#include "profiler/capture/cupti/launch_scopes.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace rooftop::capture {
namespace {

constexpr auto kCalls = static_cast<std::uint32_t>(LaunchScopes::kCalls);

TEST(LaunchScopes, FindsWhatWasNoted) {
  LaunchScopes scopes;
  ASSERT_TRUE(scopes.usable());
  scopes.note(5, 50);
  scopes.note(6, 60);
  EXPECT_EQ(scopes.find(5), 50U);
  EXPECT_EQ(scopes.find(6), 60U);
  EXPECT_EQ(scopes.find(7), 0U);
  EXPECT_EQ(scopes.find(0), 0U);
  scopes.note(0, 1);
  EXPECT_EQ(scopes.find(0), 0U);
  scopes.note(5, 51);
  EXPECT_EQ(scopes.find(5), 51U);
  scopes.clear();
  EXPECT_EQ(scopes.find(5), 0U);
}

TEST(LaunchScopes, RemembersTheLatestCallsAndNeverMistakesAnOldOne) {
  LaunchScopes scopes;
  const std::uint32_t last = 3 * kCalls + 17;
  for (std::uint32_t id = 1; id <= last; ++id) scopes.note(id, std::uint64_t{id} * 3);
  for (std::uint32_t id = last - kCalls + 1; id <= last; id += 101)
    ASSERT_EQ(scopes.find(id), std::uint64_t{id} * 3);
  for (std::uint32_t id = 1; id <= last - kCalls; id += 101) ASSERT_EQ(scopes.find(id), 0U);
  EXPECT_EQ(scopes.find(last + 1), 0U);
}

TEST(LaunchScopes, IdsMayWrapAround) {
  LaunchScopes scopes;
  for (std::uint32_t id = UINT32_MAX - 10; id != 10; ++id) scopes.note(id, std::uint64_t{id} + 1);
  for (std::uint32_t id = UINT32_MAX - 10; id != 0; ++id)
    EXPECT_EQ(scopes.find(id), std::uint64_t{id} + 1);
  EXPECT_EQ(scopes.find(9), 10U);
}

// Writers overwrite each other's slots all the time: a reader gets the scope of the very call it
// asks for, or none.
TEST(LaunchScopes, NeverGivesAnotherCallsScope) {
  LaunchScopes scopes;
  constexpr int kWriters = 4;
  const auto scope_of = [](std::uint32_t id) {
    return std::uint64_t{id} * 0xbf58476d1ce4e5b9U | 1;
  };
  constexpr std::uint32_t kIds = 16;  // of one slot
  const auto id_of = [](std::uint32_t n) { return (n % kIds + 1) * kCalls + 5; };
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (std::uint32_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (std::uint32_t n = w; !stop.load(std::memory_order_relaxed); n += 7)
        scopes.note(id_of(n), scope_of(id_of(n)));
    });
  }
  int found = 0;
  for (std::uint32_t n = 0; found < 100'000; ++n) {
    const ScopeId scope = scopes.find(id_of(n));
    if (scope == 0) continue;
    ASSERT_EQ(scope, scope_of(id_of(n)));
    ++found;
  }
  stop = true;
  for (auto& writer : writers) writer.join();
}

}  // namespace
}  // namespace rooftop::capture
