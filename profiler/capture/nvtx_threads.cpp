#include "profiler/capture/nvtx_threads.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <new>

namespace rooftop::capture {
namespace {

// The first threads get rings for a quarter of a million small scopes a second (drained every
// 50 ms); a program with more threads than that rarely opens scopes in all of them.
constexpr std::size_t kRoomyThreads = 64;
constexpr std::size_t kRoomyRing = std::size_t{2} << 20;
constexpr std::size_t kMaxThreads = 4096;
constexpr std::size_t kSmallRing = std::size_t{32} << 10;  // 256 MiB in all, if every byte is used

std::atomic<ThreadScopes*> threads{nullptr};
std::atomic<std::size_t> thread_count{0};
std::atomic<std::size_t> abandoned{0};  // how many have no thread any more

// In the block that the thread was created with: the usual model allocates on a thread's first use.
__attribute__((tls_model("initial-exec"))) thread_local ThreadScopes* mine = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local bool ending = false;

std::uint32_t thread_id() noexcept { return static_cast<std::uint32_t>(syscall(SYS_gettid)); }

void leave(void* scopes) noexcept {
  ending = true;
  mine = nullptr;
  abandoned.fetch_add(1, std::memory_order_relaxed);
  static_cast<ThreadScopes*>(scopes)->owned.store(false, std::memory_order_release);
}

// Tells when a thread ends. A key of pthread's, for it needs no allocation.
struct EndKey {
  pthread_key_t key{};
  bool made = pthread_key_create(&key, leave) == 0;
};

ThreadScopes* adopt() noexcept {
  if (abandoned.load(std::memory_order_relaxed) == 0) return nullptr;
  for (ThreadScopes* t = all_threads(); t != nullptr; t = t->next) {
    bool owned = false;
    if (!t->owned.load(std::memory_order_relaxed) &&
        t->owned.compare_exchange_strong(owned, true, std::memory_order_acquire)) {
      abandoned.fetch_sub(1, std::memory_order_relaxed);
      return t;
    }
  }
  return nullptr;
}

ThreadScopes* make() noexcept {
  const std::size_t count = thread_count.fetch_add(1, std::memory_order_relaxed);
  const std::size_t ring = count < kRoomyThreads ? kRoomyRing : kSmallRing;
  void* memory = count >= kMaxThreads
                     ? MAP_FAILED
                     : mmap(nullptr, sizeof(ThreadScopes) + ring, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    thread_count.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  // Default-initialised: pages that are not used yet stay untouched.
  auto* made = new (memory) ThreadScopes;
  made->ring.attach(static_cast<std::byte*>(memory) + sizeof(ThreadScopes), ring);
  ThreadScopes* head = threads.load(std::memory_order_relaxed);
  do {
    made->next = head;
  } while (!threads.compare_exchange_weak(head, made, std::memory_order_release,
                                          std::memory_order_relaxed));
  return made;
}

}  // namespace

static_assert(sizeof(ThreadScopes) % ByteRing::kAlignment == 0);

ThreadScopes* known_thread() noexcept { return mine; }

ThreadScopes* this_thread() noexcept {
  if (mine != nullptr) return mine;
  if (ending) return nullptr;
  static const EndKey end;
  if (!end.made) return nullptr;
  ThreadScopes* scopes = adopt();
  if (scopes == nullptr) scopes = make();
  if (scopes == nullptr) return nullptr;
  scopes->thread = thread_id();
  scopes->depth = scopes->overflow = scopes->names_used = 0;
  scopes->busy = false;
  pthread_setspecific(end.key, scopes);
  mine = scopes;
  return scopes;
}

ThreadScopes* all_threads() noexcept { return threads.load(std::memory_order_acquire); }

void forget_other_threads() noexcept {
  for (ThreadScopes* t = all_threads(); t != nullptr; t = t->next) {
    t->ring.clear();
    if (t == mine) {
      t->thread = thread_id();
    } else if (t->owned.exchange(false)) {
      abandoned.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace rooftop::capture
