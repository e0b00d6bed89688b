#include "tests/host_executor/block.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "tests/host_executor/cuda_names.h"
#include "tests/host_executor/shared_memory.h"

namespace rooftop::host_executor {
namespace {

bool same_site(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0;
}

}  // namespace

std::uint64_t Random::operator()() {
  state_ += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Block& block() {
  static Block the_block;
  return the_block;
}

int running_thread() { return block().running()->linear; }

void Block::run(const KernelLaunch& launch, uint3 index, Schedule schedule, Random& random) {
  launch_ = &launch;
  index_ = index;
  schedule_ = schedule;
  random_ = &random;
  blockIdx = index;
  begin_threads(launch);
  outside_.adopt_thread();
  release_for_tsan(&begin_order_);
  yield();
  acquire_for_tsan(&end_order_);
  running_ = nullptr;
}

void Block::begin_threads(const KernelLaunch& launch) {
  const dim3 shape = launch.block;
  size_ = static_cast<int>(shape.x * shape.y * shape.z);
  warp_count_ = (size_ + kLanes - 1) / kLanes;
  ready_ = at_barrier_ = exited_ = 0;
  by_priority_ = ((*random_)() & 1) != 0;
  for (int w = 0; w < warp_count_; ++w) {
    warps_[w] = Warp{.exited = absent_lanes(w), .priority = (*random_)()};
  }
  for (int t = 0; t < size_; ++t) {
    Thread& thread = threads_[t];
    const auto linear = static_cast<unsigned>(t);
    thread.index = {linear % shape.x, linear / shape.x % shape.y, linear / shape.x / shape.y};
    thread.linear = t;
    thread.lane = t % kLanes;
    thread.warp = t / kLanes;
    thread.barriers_of_warp = 0;
    thread.fiber.prepare(&Block::enter_thread, static_cast<std::size_t>(t));
    make_ready(thread);
  }
}

unsigned Block::absent_lanes(int warp) const {
  const int lanes = size_ - warp * kLanes;
  return lanes >= kLanes ? 0 : kAllLanes << lanes;
}

void Block::enter_thread() {
  acquire_for_tsan(&block().begin_order_);
  block().launch_->body();
  drop_copies();
  release_for_tsan(&block().end_order_);
  block().exit_thread();
}

void Block::exit_thread() {
  Thread& thread = *running_;
  Warp& warp = warps_[thread.warp];
  thread.state = ThreadState::kExited;
  warp.exited |= 1u << thread.lane;
  ++exited_;
  // A collective may have waited for this lane alone.
  for (int lane = 0; lane < kLanes; ++lane) {
    const Thread& other = threads_[thread.warp * kLanes + lane];
    const bool waits_for_it = (warp.waiting >> lane & 1) != 0 && (other.mask >> thread.lane & 1);
    if (waits_for_it && try_collective(thread.warp, other.mask)) break;
  }
  try_open_barrier();
  yield();
}

void Block::make_ready(Thread& thread) {
  thread.state = ThreadState::kReady;
  if (&thread == running_) return;  // it goes on by itself
  warps_[thread.warp].ready |= 1u << thread.lane;
  ++ready_;
}

void Block::yield() {
  if (ready_ == 0) {
    if (exited_ != size_) report_deadlock();
    outside_.resume();
    return;
  }
  Thread& next = next_ready();
  warps_[next.warp].ready &= ~(1u << next.lane);
  --ready_;
  running_ = &next;
  threadIdx = next.index;
  next.fiber.resume();
}

Thread& Block::next_ready() {
  const int warp = next_warp();
  const unsigned ready = warps_[warp].ready;
  int lane = std::countr_zero(ready);
  if (schedule_ == Schedule::kDescending) {
    lane = kLanes - 1 - std::countl_zero(ready);
  } else if (schedule_ == Schedule::kRandom) {
    const int first = static_cast<int>((*random_)() % kLanes);
    lane = (std::countr_zero(std::rotr(ready, first)) + first) % kLanes;
  }
  return threads_[warp * kLanes + lane];
}

// At random, half of the blocks choose anew each time; the others let one warp run as far ahead as
// barriers allow, which shows what a barrier too few lets happen.
int Block::next_warp() {
  const auto is_ready = [&](int w) { return warps_[w].ready != 0; };
  int warp = 0;
  if (schedule_ == Schedule::kDescending) {
    warp = warp_count_ - 1;
    while (!is_ready(warp)) --warp;
  } else if (schedule_ == Schedule::kAscending) {
    while (!is_ready(warp)) ++warp;
  } else if (by_priority_) {
    while (!is_ready(warp)) ++warp;
    for (int w = warp + 1; w < warp_count_; ++w) {
      if (is_ready(w) && warps_[w].priority > warps_[warp].priority) warp = w;
    }
  } else {
    warp = static_cast<int>((*random_)() % static_cast<unsigned>(warp_count_));
    while (!is_ready(warp)) warp = (warp + 1) % warp_count_;
  }
  return warp;
}

int Block::barrier(bool predicate, Site site) {
  Thread& thread = *running_;
  thread.state = ThreadState::kBarrier;
  thread.site = site;
  thread.predicate = predicate;
  ++at_barrier_;
  char* const order = &barrier_order_[barriers_ & 1];
  release_for_tsan(order);
  if (!try_open_barrier()) yield();
  acquire_for_tsan(order);
  return barrier_votes_;
}

bool Block::try_open_barrier() {
  if (at_barrier_ == 0 || at_barrier_ + exited_ < size_) return false;
  check_barrier();
  barrier_votes_ = 0;
  at_barrier_ = 0;
  ++barriers_;
  for (int t = 0; t < size_; ++t) {
    Thread& thread = threads_[t];
    if (thread.state != ThreadState::kBarrier) continue;
    barrier_votes_ += thread.predicate ? 1 : 0;
    make_ready(thread);
  }
  for (int w = 0; w < warp_count_; ++w) warps_[w].priority = (*random_)();
  return true;
}

// A barrier counts the threads that have not exited, but a warp arrives or exits as a whole.
void Block::check_barrier() const {
  const Thread* first = nullptr;
  for (int t = 0; t < size_; ++t) {
    const Thread& thread = threads_[t];
    if (thread.state != ThreadState::kBarrier) continue;
    if (first == nullptr) first = &thread;
    if (!same_site(first->site, thread.site)) {
      fail(thread.site, "divergent barrier: thread %d waits here, thread %d at %s:%d",
           thread.linear, first->linear, first->site.file, first->site.line);
    }
    if (warps_[thread.warp].exited != absent_lanes(thread.warp)) {
      fail(thread.site, "early exit: thread %d waits at a barrier, other lanes of its warp exited",
           thread.linear);
    }
  }
}

void Block::warp_barrier(unsigned mask, Site site) {
  Thread& thread = *running_;
  char* const order = &warp_order_[thread.warp][thread.barriers_of_warp++ & 1];
  release_for_tsan(order);
  meet(Collective::kBarrier, mask, nullptr, site);
  acquire_for_tsan(order);
}

void Block::meet(Collective collective, unsigned mask, void* operands, Site site) {
  Thread& thread = *running_;
  const unsigned absent = absent_lanes(thread.warp);
  if ((mask >> thread.lane & 1) == 0) {
    fail(site, "%s: mask %08x leaves out the calling lane", name_of(collective), mask);
  }
  if (mask != kAllLanes && (mask & absent) != 0) {
    fail(site, "%s: mask %08x names lanes that the block does not have", name_of(collective), mask);
  }
  thread.state = ThreadState::kCollective;
  thread.collective = collective;
  thread.mask = mask;
  thread.operands = operands;
  thread.site = site;
  warps_[thread.warp].waiting |= 1u << thread.lane;
  if (!try_collective(thread.warp, mask)) yield();
}

bool Block::try_collective(int warp_index, unsigned mask) {
  Warp& warp = warps_[warp_index];
  const unsigned expected = mask & ~warp.exited;
  if (expected == 0 || (warp.waiting & expected) != expected) return false;
  Thread* const lanes = threads_.data() + std::ptrdiff_t{warp_index} * kLanes;
  const Thread& first = lanes[std::countr_zero(expected)];
  for (int lane = 0; lane < kLanes; ++lane) {
    if (expected >> lane & 1) check_same_collective(first, lanes[lane]);
  }
  const bool of_whole_warp =
      first.collective == Collective::kMultiply || first.collective == Collective::kLoad;
  if (of_whole_warp && expected != kAllLanes) {
    fail(first.site, "%s: needs all 32 lanes, and only %08x are there", name_of(first.collective),
         expected);
  }
  resolve_collective(lanes, expected);
  warp.waiting &= ~expected;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (expected >> lane & 1) make_ready(lanes[lane]);
  }
  return true;
}

void Block::check_same_collective(const Thread& first, const Thread& other) const {
  if (first.collective == other.collective && first.mask == other.mask &&
      same_site(first.site, other.site)) {
    return;
  }
  fail(other.site,
       "divergent collective: lane %d in %s, mask %08x; lane %d in %s, mask %08x, %s:%d",
       other.lane, name_of(other.collective), other.mask, first.lane, name_of(first.collective),
       first.mask, first.site.file, first.site.line);
}

}  // namespace rooftop::host_executor
