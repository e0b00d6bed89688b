#include "tests/host_executor/shared_memory.h"

#include <cstdlib>
#include <utility>

#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace rooftop::host_executor {
namespace {

// A multiple of any alignment or swizzle period, so that an address modulo kGuardBytes is the
// device's.
constexpr std::size_t kGuardBytes = 1024;
constexpr std::size_t kMostArrays = 32;

// All bits set: NaN in fp32, bf16 and fp16. Not by memset, which TSan watches wherever it is called
// from: the first thread to come would seem to race with the others.
void fill_with_nan(void* memory, std::size_t bytes) {
  auto* word = static_cast<volatile std::uint64_t*>(memory);
  for (; bytes >= sizeof *word; bytes -= sizeof *word) *word++ = ~std::uint64_t{0};
  auto* byte = reinterpret_cast<volatile unsigned char*>(word);
  for (; bytes > 0; --bytes) *byte++ = 0xFF;
}

// The functions and not their macros, which do nothing in a file that ASan does not watch.
void forbid_accesses([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
  __asan_poison_memory_region(memory, bytes);
#endif
}

void allow_accesses([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(ROOFTOP_HOST_EXECUTOR_ASAN)
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

}  // namespace

SharedMemory& shared_memory() {
  static SharedMemory memory;
  return memory;
}

void SharedMemory::begin_block(std::size_t requested_bytes) {
  ++block_;
  requested_ = requested_bytes;
  taken_.clear();
  if (requested_bytes == 0) return;
  bytes_ = (requested_bytes + kGuardBytes - 1) / kGuardBytes * kGuardBytes +
           (kMostArrays + 1) * kGuardBytes;
  memory_ = static_cast<char*>(std::aligned_alloc(kGuardBytes, bytes_));
  if (memory_ == nullptr) std::abort();
  fill_with_nan(memory_, bytes_);
  forbid_accesses(memory_, bytes_);
}

void SharedMemory::end_block() {
  if (memory_ == nullptr) return;
  allow_accesses(memory_, bytes_);
  std::free(std::exchange(memory_, nullptr));
}

void* SharedMemory::take(std::size_t index, std::size_t offset, std::size_t bytes, Site site) {
  if (offset + bytes > requested_) {
    fail(site, "too little shared memory: an array of %zu bytes at %zu, of %zu bytes at launch",
         bytes, offset, requested_);
  }
  if (index >= kMostArrays) fail(site, "more than %zu arrays in shared memory", kMostArrays);
  if (index > taken_.size()) std::abort();
  if (index == taken_.size()) {
    char* const array = memory_ + offset + (index + 1) * kGuardBytes;
    allow_accesses(array, bytes);
    taken_.push_back({offset, bytes, array});
  }
  const Taken& taken = taken_[index];
  if (taken.offset != offset || taken.bytes != bytes) {
    fail(site,
         "threads carve shared memory differently: array %zu is %zu bytes at %zu here, and "
         "%zu at %zu elsewhere",
         index, bytes, offset, taken.bytes, taken.offset);
  }
  return taken.array;
}

void SharedMemory::declare(void* array, std::size_t bytes) {
  Static* known = nullptr;
  for (Static& one : statics_) {
    if (one.array == array) known = &one;
  }
  if (known == nullptr) known = &statics_.emplace_back(Static{array, bytes, 0});
  if (known->block == block_) return;
  known->block = block_;
  fill_with_nan(array, bytes);
}

bool SharedMemory::holds(const void* address, std::size_t bytes) const {
  const auto* const begin = static_cast<const char*>(address);
  const auto inside = [&](const void* array, std::size_t size) {
    const auto* const first = static_cast<const char*>(array);
    return begin >= first && begin + bytes <= first + size;
  };
  for (const Taken& taken : taken_) {
    if (inside(taken.array, taken.bytes)) return true;
  }
  for (const Static& one : statics_) {
    if (one.block == block_ && inside(one.array, one.bytes)) return true;
  }
  return false;
}

void* take_shared(std::size_t index, std::size_t offset, std::size_t bytes, Site site) {
  return shared_memory().take(index, offset, bytes, site);
}

void declare_shared(void* array, std::size_t bytes) { shared_memory().declare(array, bytes); }

void require_shared(const void* address, std::size_t bytes, const char* instruction, Site site) {
  if (shared_memory().holds(address, bytes)) return;
  fail(site, "%s: the address lies in no array of shared memory", instruction);
}

}  // namespace rooftop::host_executor
