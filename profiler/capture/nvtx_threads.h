// What each engine thread keeps while it opens scopes, and the list of all of them.
//
// Made for a process that is not ours: memory is mapped, not allocated (a signal handler may open a
// scope while its thread is inside malloc), paid for only as far as it is used, and bounded however
// many threads there are; nothing takes a lock, so that a fork finds none held.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiler/capture/nvtx_names.h"
#include "profiler/capture/nvtx_ring.h"
#include "profiler/capture/nvtx_scopes.h"

namespace rooftop::capture {

inline constexpr std::size_t kMaxScopeDepth = 128;

// A range that is open on a thread.
struct OpenScope {
  nvtxDomainHandle_t domain = nullptr;
  std::uint32_t session = 0;  // recording session in which it was opened; 0: not recorded
  ScopeEvent::Kind kind = ScopeEvent::Kind::kOp;
  std::uint16_t name_length = 0;
  std::uint32_t name_offset = 0;  // into ThreadScopes::names
  int level = 0;                  // within its domain, as NVTX returns it
  ScopeId id = 0;
  ScopeId parent = 0;
  Timestamp begin;
  ScopeEvent::Payload payload;
};

struct ThreadScopes {
  ByteRing ring;
  std::atomic<bool> owned{true};  // false: its thread has ended, the next one may have it
  std::uint32_t thread = 0;
  volatile bool busy = false;  // a signal handler that opens a scope finds its thread at it
  std::size_t depth = 0;
  std::size_t overflow = 0;  // open ranges beyond kMaxScopeDepth
  std::size_t names_used = 0;
  ThreadScopes* next = nullptr;
  std::array<OpenScope, kMaxScopeDepth> open;
  std::array<char, 16384> names;  // of the open ranges, as a stack
};

// The calling thread's; null: it has none (yet).
ThreadScopes* known_thread() noexcept;

// The same, made on first use; null while the thread ends, or where there are too many threads.
ThreadScopes* this_thread() noexcept;

// Every thread's, newest first.
ThreadScopes* all_threads() noexcept;

// In a forked child: the other threads are gone, and what they left belongs to the parent.
void forget_other_threads() noexcept;

}  // namespace rooftop::capture
