#include "profiler/capture/cupti/launch_scopes.h"

#include <sys/mman.h>

#include <atomic>

namespace rooftop::capture {
namespace {

template <class T>
void store(T& to, T value, std::memory_order order) noexcept {
  std::atomic_ref<T>(to).store(value, order);
}

template <class T>
T load(T& from, std::memory_order order) noexcept {
  return std::atomic_ref<T>(from).load(order);
}

}  // namespace

LaunchScopes::LaunchScopes() noexcept {
  void* memory = mmap(nullptr, kCalls * sizeof(Slot), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) slots_ = static_cast<Slot*>(memory);
}

LaunchScopes::~LaunchScopes() {
  if (slots_ != nullptr) munmap(slots_, kCalls * sizeof(Slot));
}

void LaunchScopes::note(std::uint32_t correlation, ScopeId scope) noexcept {
  if (slots_ == nullptr || correlation == 0) return;
  Slot& slot = slots_[correlation % kCalls];
  // A reader that sees the new scope sees the id gone, too, and so never takes it for the old one.
  store(slot.correlation, std::uint64_t{0}, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  store(slot.scope, scope, std::memory_order_relaxed);
  store(slot.correlation, std::uint64_t{correlation}, std::memory_order_release);
}

ScopeId LaunchScopes::find(std::uint32_t correlation) const noexcept {
  if (slots_ == nullptr || correlation == 0) return 0;
  Slot& slot = slots_[correlation % kCalls];
  if (load(slot.correlation, std::memory_order_acquire) != correlation) return 0;
  const ScopeId scope = load(slot.scope, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  return load(slot.correlation, std::memory_order_relaxed) == correlation ? scope : 0;
}

void LaunchScopes::clear() noexcept {
  if (slots_ != nullptr) madvise(slots_, kCalls * sizeof(Slot), MADV_DONTNEED);
}

}  // namespace rooftop::capture
