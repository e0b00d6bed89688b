// What the executor says when a kernel does what it must not.
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "tests/host_executor/block.h"

namespace rooftop::host_executor {
namespace {

void print_where(Site site) {
  const Thread* const thread = block().running();
  if (thread == nullptr) return;
  const uint3 index = block().index();
  std::fprintf(stderr, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u), warp %d lane %d",
               block().kernel().c_str(), index.x, index.y, index.z, thread->index.x,
               thread->index.y, thread->index.z, thread->warp, thread->lane);
  if (site.file != nullptr) std::fprintf(stderr, ", %s:%d", site.file, site.line);
  std::fputs(": ", stderr);
}

const char* describe(const Thread& thread) {
  switch (thread.state) {
    case ThreadState::kReady:
      return "running";
    case ThreadState::kCollective:
      return name_of(thread.collective);
    case ThreadState::kBarrier:
      return "__syncthreads";
    case ThreadState::kExited:
      return "exited";
  }
  return "";
}

bool waits_alike(const Thread& a, const Thread& b) {
  if (a.state != b.state) return false;
  if (a.state == ThreadState::kExited) return true;
  return a.site.line == b.site.line && a.collective == b.collective && a.mask == b.mask;
}

}  // namespace

const char* name_of(Collective collective) {
  switch (collective) {
    case Collective::kBarrier:
      return "__syncwarp";
    case Collective::kShuffle:
      return "__shfl_sync";
    case Collective::kBallot:
      return "__ballot_sync";
    case Collective::kReduce:
      return "__reduce_sync";
    case Collective::kMultiply:
      return "mma";
    case Collective::kLoad:
      return "ldmatrix";
  }
  return "";
}

void fail(Site site, const char* format, ...) {
  std::fputs("host executor: ", stderr);
  print_where(site);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);  // NOLINT(clang-analyzer-valist.Uninitialized)
  va_end(arguments);
  if (options().schedule == Schedule::kRandom) {
    std::fprintf(stderr, " (seed %llu)", static_cast<unsigned long long>(options().seed));
  }
  std::fputc('\n', stderr);
  std::fflush(stderr);
  _exit(kErrorExitCode);
}

void Block::report_deadlock() const {
  constexpr int kMostLines = 24;
  int lines = 0;
  std::fputs("host executor: no thread can go on; from thread\n", stderr);
  for (int t = 0; t < size_ && lines < kMostLines; ++t) {
    const Thread& thread = threads_[t];
    if (t > 0 && waits_alike(threads_[t - 1], thread)) continue;
    ++lines;
    std::fprintf(stderr, "  %4d: %s", t, describe(thread));
    if (thread.state == ThreadState::kCollective) std::fprintf(stderr, " %08x", thread.mask);
    if (thread.state != ThreadState::kExited) {
      std::fprintf(stderr, " at %s:%d", thread.site.file, thread.site.line);
    }
    std::fputc('\n', stderr);
  }
  fail({}, "deadlock: a barrier or collective that not all its threads reach");
}

}  // namespace rooftop::host_executor
