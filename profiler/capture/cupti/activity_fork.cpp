#include "profiler/capture/cupti/activity_fork.h"

#include <pthread.h>

#include <atomic>

namespace rooftop::capture {
namespace {

std::atomic<bool> forked{false};

}  // namespace

void watch_forks() noexcept {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
  (void)registered;  // out of memory: a child that records is then the host's to avoid
}

bool in_forked_child() noexcept { return forked.load(std::memory_order_relaxed); }

}  // namespace rooftop::capture
