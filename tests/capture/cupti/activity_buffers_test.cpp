// The pool of host buffers: bounded, zeroed, in order, and safe against pointers of other clients.
#include "profiler/capture/cupti/activity_buffers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>

namespace rooftop::capture {
namespace {

constexpr std::size_t kSize = 4096;

TEST(ActivityBuffers, GivesAsManyAsFitAndThenDeclines) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 3 * kSize));
  std::set<std::uint8_t*> given;
  for (int i = 0; i < 3; ++i) {
    std::size_t size = 0;
    std::uint8_t* data = pool.request(size);
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(size, kSize);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 8, 0U);
    EXPECT_TRUE(std::all_of(data, data + size, [](std::uint8_t b) { return b == 0; }));
    given.insert(data);
  }
  EXPECT_EQ(given.size(), 3U);
  std::size_t size = 99;
  EXPECT_EQ(pool.request(size), nullptr);
  EXPECT_EQ(size, 0U);
  EXPECT_EQ(pool.take_declined(), 1U);
  EXPECT_EQ(pool.take_declined(), 0U);
}

TEST(ActivityBuffers, ComesBackZeroedAndIsUsedAgain) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  std::size_t size = 0;
  std::uint8_t* data = pool.request(size);
  std::memset(data, 0xab, size);
  pool.complete(data, 100);
  ActivityBuffers::Filled filled;
  ASSERT_TRUE(pool.take(filled));
  EXPECT_EQ(filled.data, data);
  EXPECT_EQ(filled.valid, 100U);
  EXPECT_FALSE(pool.take(filled));
  pool.give_back({data, 100});
  EXPECT_EQ(pool.request(size), data);
  EXPECT_TRUE(std::all_of(data, data + size, [](std::uint8_t b) { return b == 0; }));
}

TEST(ActivityBuffers, OldestFirst) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 4 * kSize));
  std::vector<std::uint8_t*> data(4);
  std::size_t size = 0;
  for (auto& d : data) d = pool.request(size);
  for (const int i : {2, 0, 3, 1}) pool.complete(data[i], 8);
  ActivityBuffers::Filled filled;
  for (const int i : {2, 0, 3, 1}) {
    ASSERT_TRUE(pool.take(filled));
    EXPECT_EQ(filled.data, data[i]);
  }
}

TEST(ActivityBuffers, OtherClientsPointersAndLengthsAreNotBelieved) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  std::size_t size = 0;
  std::uint8_t* data = pool.request(size);
  std::uint64_t foreign = 0;
  pool.complete(reinterpret_cast<std::uint8_t*>(&foreign), 8);
  pool.complete(nullptr, 8);
  ActivityBuffers::Filled filled;
  EXPECT_FALSE(pool.take(filled));
  pool.complete(data, kSize * 10);
  pool.complete(data, 8);  // twice: the first stands
  ASSERT_TRUE(pool.take(filled));
  EXPECT_EQ(filled.valid, kSize);
  EXPECT_FALSE(pool.take(filled));
}

TEST(ActivityBuffers, ClosedDeclinesButTakesBack) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  std::size_t size = 0;
  std::uint8_t* data = pool.request(size);
  pool.close();
  EXPECT_EQ(pool.request(size), nullptr);
  pool.complete(data, 16);
  ActivityBuffers::Filled filled;
  EXPECT_TRUE(pool.take(filled));
  pool.give_back(filled);
  // Another session with other buffers: the old size is not handed out again.
  ASSERT_TRUE(pool.open(2 * kSize, 8 * kSize));
  EXPECT_NE(pool.request(size), nullptr);
  EXPECT_EQ(size, 2 * kSize);
}

TEST(ActivityBuffers, BufferOfAnEarlierSessionComesBackLate) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  std::size_t size = 0;
  std::uint8_t* late = pool.request(size);
  pool.close();
  ASSERT_TRUE(pool.open(2 * kSize, 4 * kSize));
  ASSERT_NE(pool.request(size), nullptr);
  pool.complete(late, 2 * kSize);
  ActivityBuffers::Filled filled;
  ASSERT_TRUE(pool.take(filled));
  EXPECT_EQ(filled.data, late);
  EXPECT_EQ(filled.valid, kSize);
  pool.give_back(filled);
}

TEST(ActivityBuffers, WhatAnEarlierSessionLeftIsNotTheNextOnes) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  std::size_t size = 0;
  std::uint8_t* data = pool.request(size);
  std::memset(data, 0xab, size);
  pool.complete(data, 100);
  pool.close();
  ASSERT_TRUE(pool.open(kSize, 2 * kSize));
  ActivityBuffers::Filled filled;
  EXPECT_FALSE(pool.take(filled));
  EXPECT_EQ(pool.request(size), data);
  EXPECT_TRUE(std::all_of(data, data + size, [](std::uint8_t b) { return b == 0; }));
}

// Many threads ask and complete while one takes: every buffer has one owner at a time, and every
// completed one is taken once.
TEST(ActivityBuffers, ManyThreads) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(kSize, 8 * kSize));
  constexpr int kThreads = 16;
  constexpr int kRounds = 2000;
  std::atomic<int> running{kThreads};
  std::atomic<std::uint64_t> completed{0};
  std::atomic<bool> shared_buffer{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        std::size_t size = 0;
        std::uint8_t* data = pool.request(size);
        if (data == nullptr) {
          std::this_thread::yield();
          continue;
        }
        if (data[0] != 0) shared_buffer = true;
        data[0] = 1;
        completed.fetch_add(1);
        pool.complete(data, 1);
      }
      running.fetch_sub(1);
    });
  }
  std::uint64_t taken = 0;
  const auto drain = [&] {
    ActivityBuffers::Filled filled;
    while (pool.take(filled)) {
      if (filled.data[0] != 1) shared_buffer = true;
      ++taken;
      pool.give_back(filled);
    }
  };
  while (running.load() > 0) drain();
  for (auto& thread : threads) thread.join();
  drain();
  EXPECT_EQ(taken, completed.load());
  EXPECT_FALSE(shared_buffer.load());
  EXPECT_EQ(taken + pool.take_declined(), std::uint64_t{kThreads} * kRounds);
}

TEST(ActivityBuffers, ALibraryThatCrashesOnARefusalGetsScrap) {
  ActivityBuffers pool;
  ASSERT_TRUE(pool.open(4096, 2 * 4096));
  std::size_t size = 0;
  std::uint8_t* first = pool.request_or_scrap(size);
  EXPECT_EQ(size, 4096U);
  std::uint8_t* second = pool.request_or_scrap(size);
  std::uint8_t* scrap = pool.request_or_scrap(size);
  ASSERT_NE(scrap, nullptr);
  EXPECT_GT(size, 4096U);
  scrap[size - 1] = 1;  // all of it is ours
  pool.complete(scrap, 100);
  ActivityBuffers::Filled filled;
  EXPECT_FALSE(pool.take(filled)) << "records in scrap are thrown away";
  EXPECT_EQ(pool.take_declined(), 1U);
  pool.complete(first, 8);
  EXPECT_TRUE(pool.take(filled));
  pool.give_back(filled);
  pool.close();
  std::uint8_t* late = pool.request_or_scrap(size);
  EXPECT_NE(late, nullptr);
  pool.complete(late, 8);
  pool.complete(second, 0);
}

}  // namespace
}  // namespace rooftop::capture
