#include "profiler/capture/cupti/launch_scopes.h"

#include <sys/mman.h>

#include <atomic>

namespace rooftop::capture {
namespace {

void store(std::uint64_t& to, std::uint64_t value) noexcept {
  std::atomic_ref(to).store(value, std::memory_order_relaxed);
}

std::uint64_t load(std::uint64_t& from) noexcept {
  return std::atomic_ref(from).load(std::memory_order_relaxed);
}

// Never 0, so that an empty slot is nobody's; far apart for neighbours, so that halves of two
// entries do not make a third.
std::uint64_t mixed(std::uint32_t correlation) noexcept {
  return correlation * 0x9e3779b97f4a7c15U;
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
  // Two stores, no lock: whoever reads the halves of two calls finds that they do not fit.
  store(slot.scope, scope);
  store(slot.key, scope ^ mixed(correlation));
}

ScopeId LaunchScopes::find(std::uint32_t correlation) const noexcept {
  if (slots_ == nullptr || correlation == 0) return 0;
  Slot& slot = slots_[correlation % kCalls];
  const std::uint64_t scope = load(slot.scope);
  return (scope ^ load(slot.key)) == mixed(correlation) ? scope : 0;
}

void LaunchScopes::clear() noexcept {
  if (slots_ != nullptr) madvise(slots_, kCalls * sizeof(Slot), MADV_DONTNEED);
}

}  // namespace rooftop::capture
