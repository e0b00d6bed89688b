#include "profiler/capture/nvtx_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace rooftop::capture {
namespace {

struct Ring {
  explicit Ring(std::size_t capacity) : memory(capacity / 8) {
    ring.attach(reinterpret_cast<std::byte*>(memory.data()), capacity);
  }
  bool push(const std::string& text) {
    std::byte* to = ring.reserve(text.size());
    if (to == nullptr) return false;
    std::memcpy(to, text.data(), text.size());
    ring.commit();
    return true;
  }
  std::vector<std::string> take() {
    std::vector<std::string> out;
    ring.consume([&](const std::byte* bytes, std::size_t size) {
      out.emplace_back(reinterpret_cast<const char*>(bytes), size);
    });
    return out;
  }
  std::vector<std::uint64_t> memory;
  ByteRing ring;
};

TEST(ByteRing, RefusesWhatIsTooLongAndWhatIsTooMuch) {
  Ring ring(1024);
  EXPECT_FALSE(ring.push(std::string(600, 'x')));
  int kept = 0;
  while (ring.push(std::string(100, 'y'))) ++kept;
  EXPECT_EQ(kept, 9);
  EXPECT_EQ(ring.take().size(), 9U);
  EXPECT_TRUE(ring.ring.empty());
  EXPECT_TRUE(ring.push("again"));
  EXPECT_EQ(ring.take(), std::vector<std::string>{"again"});
}

// Against a queue: the same records, in order, through every length and every place of the wrap.
TEST(ByteRing, IsAQueue) {
  std::mt19937 random(3);
  Ring ring(2048);
  std::deque<std::string> queue;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text(random() % 300, static_cast<char>('a' + i % 26));
    if (ring.push(text)) queue.push_back(text);
    if (random() % 8 != 0) continue;
    const std::vector<std::string> taken = ring.take();
    ASSERT_TRUE(std::equal(taken.begin(), taken.end(), queue.begin(), queue.end()));
    queue.clear();
  }
}

TEST(ByteRing, BetweenTwoThreadsNothingIsTornOrLost) {
  Ring ring(4096);
  std::atomic<bool> done{false};
  std::uint64_t pushed = 0;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < 300'000; ++i) {
      if (ring.push(std::string(i % 97, static_cast<char>('a' + pushed % 26)))) ++pushed;
    }
    done = true;
  });
  std::uint64_t taken = 0;
  for (bool last = false; !last;) {
    last = done;
    for (const std::string& text : ring.take()) {
      const char expected = static_cast<char>('a' + taken++ % 26);
      ASSERT_EQ(text, std::string(text.size(), expected));
    }
  }
  producer.join();
  EXPECT_EQ(taken, pushed);
}

}  // namespace
}  // namespace rooftop::capture
