// A team of OpenMP threads, each on a processor of its own.
#pragma once

#include <sched.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace rooftop {

// While it lives, parallel regions of the calling thread have `threads` threads, and each of them
// stays on one of the processors that the caller may use, so that first touch and static splits put
// memory beside its thread. With more threads than processors nothing is pinned. Everything is as
// before afterwards: the engine uses the same team. `threads` is at least 1.
class PinnedThreads {
 public:
  explicit PinnedThreads(int threads);
  ~PinnedThreads();
  PinnedThreads(const PinnedThreads&) = delete;
  PinnedThreads& operator=(const PinnedThreads&) = delete;

  // Threads of the team: fewer than asked for where OpenMP is limited to fewer.
  [[nodiscard]] int count() const { return threads_; }

  // Whether each thread has a processor of its own.
  [[nodiscard]] bool pinned() const { return !masks_before_.empty(); }

  // Calls work(thread) on every thread of the team at once, and waits for all. It must not throw.
  void run(const std::function<void(int)>& work) const;

 private:
  int threads_;
  int threads_before_;
  std::vector<cpu_set_t> masks_before_;  // per thread; empty: not pinned
};

// Seconds that all threads of this process together have waited for a processor, although ready to
// run, until now; 0 where the kernel does not tell.
double seconds_waited();

// The part of [0, total) that thread i of n works on: whole units but for the last thread's end,
// parts differ by at most one unit.
struct Part {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const { return end - begin; }
};
Part part_of(std::uint64_t total, std::uint64_t unit, int i, int n);

}  // namespace rooftop
