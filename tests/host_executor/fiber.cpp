#include "tests/host_executor/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace rooftop::host_executor {
namespace {

namespace context = boost::context::detail;

// Kernels keep little on their stack; sanitizers multiply it.
constexpr std::size_t kStackBytes = std::size_t{256} * 1024;
constexpr std::size_t kColors = 61;
constexpr std::size_t kColorBytes = 64;

Fiber* running = nullptr;

}  // namespace

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
  munmap(mapping_, kStackBytes + static_cast<std::size_t>(getpagesize()));
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
  __tsan_destroy_fiber(tsan_fiber_);
#endif
}

void Fiber::prepare(void (*entry)(), std::size_t color) {
  if (mapping_ == nullptr) {
    const auto page = static_cast<std::size_t>(getpagesize());
    mapping_ = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED || mprotect(mapping_, page, PROT_NONE) != 0) {
      std::perror("host executor: stack of a fiber");
      std::abort();
    }
    stack_low_ = static_cast<char*>(mapping_) + page;
    stack_size_ = kStackBytes;
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
    tsan_fiber_ = __tsan_create_fiber(0);
#endif
  }
  entry_ = entry;
  char* const top = static_cast<char*>(mapping_) + getpagesize() + kStackBytes;
  context_ = context::make_fcontext(top - color % kColors * kColorBytes,
                                    kStackBytes - kColors * kColorBytes, &Fiber::begin);
}

void Fiber::adopt_thread() {
  running = this;
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
  tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

void Fiber::resume() {
  if (running == this) return;
  Fiber* const leaving = std::exchange(running, this);
#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
  __sanitizer_start_switch_fiber(&leaving->asan_stack_, stack_low_, stack_size_);
#endif
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
  // A switch orders nothing on the device: only barriers do.
  __tsan_switch_to_fiber(tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
  leaving->arrive(context::jump_fcontext(context_, leaving));
}

void Fiber::begin(context::transfer_t from) {
  Fiber* const self = running;
  self->arrive(from);
  self->entry_();
  std::abort();
}

// First thing on this fiber after a switch: keeps where the fiber that came here stands.
void Fiber::arrive(context::transfer_t from) {
  Fiber* const origin = static_cast<Fiber*>(from.data);
  origin->context_ = from.fctx;
#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
  __sanitizer_finish_switch_fiber(asan_stack_, &origin->stack_low_, &origin->stack_size_);
#endif
}

void release_for_tsan([[maybe_unused]] void* address) {
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
  __tsan_release(address);
#endif
}

void acquire_for_tsan([[maybe_unused]] void* address) {
#if defined(ROOFTOP_HOST_EXECUTOR_TSAN)
  __tsan_acquire(address);
#endif
}

}  // namespace rooftop::host_executor
