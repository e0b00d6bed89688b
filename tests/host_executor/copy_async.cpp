// cp.async. Compiled with the sanitizers, as kernels are: the copies are the kernel's own accesses.
#include <array>
#include <cstdint>
#include <vector>

#include "tests/host_executor/block.h"
#include "tests/host_executor/executor.h"

namespace rooftop::host_executor {
namespace {

struct Copy {
  uint4* to;
  const uint4* from;  // null: zeros
  int group;
};

struct ThreadCopies {
  std::vector<Copy> pending;  // in order of issue
  int groups = 0;             // committed
};

ThreadCopies& copies_of_thread() {
  static std::array<ThreadCopies, kMostThreads> all;
  return all[static_cast<std::size_t>(running_thread())];
}

bool aligned16(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }

}  // namespace

void issue_copy16(void* to_shared, const void* from, bool valid, Site site) {
  require_shared(to_shared, 16, "cp.async", site);
  if (!aligned16(to_shared)) fail(site, "cp.async: destination is not 16-byte aligned");
  if (valid && !aligned16(from)) fail(site, "cp.async: source is not 16-byte aligned");
  auto* const to = static_cast<uint4*>(to_shared);
  // From here until it is waited for, the destination is anyone's guess.
  *to = uint4{~0u, ~0u, ~0u, ~0u};
  ThreadCopies& copies = copies_of_thread();
  copies.pending.push_back({to, valid ? static_cast<const uint4*>(from) : nullptr, copies.groups});
}

void commit_copies() { ++copies_of_thread().groups; }

void wait_for_copies(int pending_groups) {
  ThreadCopies& copies = copies_of_thread();
  auto done = copies.pending.begin();
  for (; done != copies.pending.end() && done->group < copies.groups - pending_groups; ++done) {
    *done->to = done->from == nullptr ? uint4{0, 0, 0, 0} : *done->from;
  }
  copies.pending.erase(copies.pending.begin(), done);
}

void drop_copies() { copies_of_thread() = {}; }

}  // namespace rooftop::host_executor
