#include "profiler/capture/cupti/graph_nodes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace rooftop::capture {
namespace {

TEST(GraphNodes, ClonesOfClonesInherit) {
  GraphNodes nodes;
  nodes.created(10, 501);
  nodes.cloned(20, 10);
  nodes.cloned(30, 20);
  nodes.cloned(40, 30);
  for (const std::uint64_t node : {10, 20, 30, 40}) EXPECT_EQ(nodes.find(node), 501U);
  EXPECT_EQ(nodes.find(50), 0U);
  EXPECT_EQ(nodes.find(0), 0U);
}

// Instantiating may tell of the making of a clone beside its cloning, in whatever scope it is done.
TEST(GraphNodes, CloneKeepsItsOriginalsScopeInEitherOrder) {
  GraphNodes nodes;
  nodes.created(10, 501);
  nodes.created(20, 900);
  nodes.cloned(20, 10);
  EXPECT_EQ(nodes.find(20), 501U);
  nodes.cloned(30, 10);
  nodes.created(30, 900);
  EXPECT_EQ(nodes.find(30), 501U);
  // A clone of what was captured outside every scope has none of its own.
  nodes.cloned(40, 99);
  EXPECT_EQ(nodes.find(40), 0U);
  nodes.created(50, 0);
  EXPECT_EQ(nodes.size(), 3U);
}

TEST(GraphNodes, OriginalMayGoBeforeItsClone) {
  GraphNodes nodes;
  nodes.created(10, 501);
  nodes.cloned(20, 10);
  nodes.destroyed(10, {1000});
  nodes.forget_destroyed({1000});
  EXPECT_EQ(nodes.find(10), 501U) << "destroyed at that time, not before";
  nodes.forget_destroyed({1001});
  EXPECT_EQ(nodes.find(10), 0U);
  EXPECT_EQ(nodes.find(20), 501U);
  nodes.cloned(30, 20);
  EXPECT_EQ(nodes.find(30), 501U);
}

TEST(GraphNodes, GraphsThatComeAndGoTakeNoMemory) {
  GraphNodes nodes(1000);
  for (std::uint64_t step = 0; step < 1000; ++step) {
    for (std::uint64_t i = 1; i <= 100; ++i) nodes.created(step * 100 + i, step + 1);
    EXPECT_EQ(nodes.find(step * 100 + 1), step + 1);
    for (std::uint64_t i = 1; i <= 100; ++i)
      nodes.destroyed(step * 100 + i, {static_cast<std::int64_t>(step)});
    nodes.forget_destroyed({static_cast<std::int64_t>(step) - 2});
  }
  EXPECT_LE(nodes.size(), 400U);
  EXPECT_EQ(nodes.lost(), 0U);
}

TEST(GraphNodes, BoundedAndCounted) {
  GraphNodes nodes(3);
  for (std::uint64_t node = 1; node <= 5; ++node) nodes.created(node, 7);
  nodes.cloned(9, 1);
  EXPECT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes.lost(), 3U);
  nodes.created(1, 8);  // known already
  EXPECT_EQ(nodes.find(1), 8U);
  EXPECT_EQ(nodes.lost(), 3U);
  nodes.clear();
  EXPECT_EQ(nodes.size(), 0U);
  EXPECT_EQ(nodes.lost(), 0U);
}

TEST(GraphNodes, ManyThreadsCaptureAtOnce) {
  GraphNodes nodes;
  constexpr std::uint64_t kThreads = 16;
  constexpr std::uint64_t kNodes = 2000;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&nodes, t] {
      const std::uint64_t base = (t + 1) << 32;
      for (std::uint64_t i = 0; i < kNodes; ++i) {
        nodes.created(base + i, t + 1);
        nodes.cloned(base + kNodes + i, base + i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(nodes.size(), 2 * kThreads * kNodes);
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    for (std::uint64_t i = 0; i < 2 * kNodes; ++i)
      ASSERT_EQ(nodes.find(((t + 1) << 32) + i), t + 1);
  }
}

}  // namespace
}  // namespace rooftop::capture
