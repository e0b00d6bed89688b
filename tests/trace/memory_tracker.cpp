#include "tests/trace/memory_tracker.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define ROOFTOP_TRACKS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROOFTOP_TRACKS_MEMORY 0
#endif
#endif
#ifndef ROOFTOP_TRACKS_MEMORY
#define ROOFTOP_TRACKS_MEMORY 1
#endif

namespace {
std::atomic<std::size_t> in_use{0};
std::atomic<std::size_t> peak{0};
std::size_t base = 0;
}  // namespace

#if ROOFTOP_TRACKS_MEMORY
void* operator new(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t now = in_use += malloc_usable_size(memory);
  std::size_t seen = peak;
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
  return memory;
}
void operator delete(void* memory) noexcept {
  if (memory != nullptr) in_use -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
#endif

namespace rooftop::testing {

bool tracks_memory() { return ROOFTOP_TRACKS_MEMORY != 0; }

void reset_peak() {
  base = in_use;
  peak = base;
}

std::size_t peak_bytes() { return peak - base; }

}  // namespace rooftop::testing
