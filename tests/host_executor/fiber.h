// A stack, and the point where its execution stands. The sanitizers are told of every switch.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

namespace rooftop::host_executor {

// Switches cost a few nanoseconds, so it is Boost.Context's own switch (boost::context::fiber owns
// its stack and unwinds it by exceptions, for which a block of 1024 threads has no use).
class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to it calls `entry`, which never returns. `color` shifts the stack's start, so
  // that equal frames of many fibers do not meet in one set of the cache.
  void prepare(void (*entry)(), std::size_t color);

  // Stands for the calling thread's own stack.
  void adopt_thread();

  // Leaves the fiber that runs and continues this one.
  void resume();

 private:
  static void begin(boost::context::detail::transfer_t from);
  void arrive(boost::context::detail::transfer_t from);

  boost::context::detail::fcontext_t context_ = nullptr;
  void (*entry_)() = nullptr;
  void* mapping_ = nullptr;
  const void* stack_low_ = nullptr;
  std::size_t stack_size_ = 0;
  void* asan_stack_ = nullptr;  // ASan's fake stack while it does not run, kept from block to block
  void* tsan_fiber_ = nullptr;
};

// TSan's view of a barrier: all that came before release is seen after acquire.
void release_for_tsan(void* address);
void acquire_for_tsan(void* address);

}  // namespace rooftop::host_executor
