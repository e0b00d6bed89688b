#include "profiler/capture/spsc_ring.h"

#include <gtest/gtest.h>

#include <thread>

namespace rooftop::capture {
namespace {

TEST(SpscRing, RefusesWhenFullAndRecovers) {
  SpscRing<int> ring(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i));
  EXPECT_FALSE(ring.push(99));
  int value = -1;
  ASSERT_TRUE(ring.pop(value));
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(ring.push(4));
  for (int expected = 1; expected <= 4; ++expected) {
    ASSERT_TRUE(ring.pop(value));
    EXPECT_EQ(value, expected);
  }
  EXPECT_FALSE(ring.pop(value));
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, KeepsOrderBetweenTwoThreads) {
  constexpr int kCount = 200'000;
  SpscRing<int> ring(64);
  std::thread producer([&] {
    for (int i = 0; i < kCount;) {
      if (ring.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (int expected = 0; expected < kCount;) {
    int value = -1;
    if (!ring.pop(value)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(value, expected);
    ++expected;
  }
  producer.join();
}

}  // namespace
}  // namespace rooftop::capture
