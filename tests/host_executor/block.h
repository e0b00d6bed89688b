// One block of threads: which of them may run, which wait and for what.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/host_executor/executor.h"
#include "tests/host_executor/fiber.h"
#include "tests/host_executor/host_executor.h"

namespace rooftop::host_executor {

inline constexpr int kLanes = 32;
inline constexpr int kMostThreads = 1024;
inline constexpr int kMostWarps = kMostThreads / kLanes;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// SplitMix64. Not one of <random>'s: those are templates, of which the linker may take a copy that
// a sanitizer watches, and TSan would see threads race for it.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()();

 private:
  std::uint64_t state_;
};

enum class ThreadState : std::uint8_t { kReady, kCollective, kBarrier, kExited };
enum class Collective : std::uint8_t { kBarrier, kShuffle, kBallot, kReduce, kMultiply, kLoad };
const char* name_of(Collective collective);

struct Thread {
  Fiber fiber;
  uint3 index = {};  // threadIdx
  int linear = 0;
  int lane = 0;
  int warp = 0;
  ThreadState state = ThreadState::kReady;
  Site site;               // where it waits
  bool predicate = false;  // of the block barrier
  Collective collective = Collective::kBarrier;
  unsigned mask = 0;              // of the collective
  void* operands = nullptr;       // of the collective
  unsigned barriers_of_warp = 0;  // how many it has passed
};

struct Warp {
  unsigned ready = 0;  // lanes that may run, the running one left out
  unsigned waiting = 0;
  unsigned exited = 0;  // or never there
  std::uint64_t priority = 0;
};

class Block {
 public:
  void run(const KernelLaunch& launch, uint3 index, Schedule schedule, Random& random);

  // Null while no thread of a kernel runs.
  [[nodiscard]] Thread* running() const { return running_; }
  [[nodiscard]] const std::string& kernel() const { return launch_->name; }
  [[nodiscard]] uint3 index() const { return index_; }

  int barrier(bool predicate, Site site);
  void warp_barrier(unsigned mask, Site site);
  // Waits for the mask's lanes; the last to arrive computes the results of all.
  void meet(Collective collective, unsigned mask, void* operands, Site site);

 private:
  static void enter_thread();
  void begin_threads(const KernelLaunch& launch);
  void exit_thread();
  // Leaves the running thread for one that is ready, or the block when none is left.
  void yield();
  Thread& next_ready();
  int next_warp();
  void make_ready(Thread& thread);
  // Opens the barrier if all threads are there.
  bool try_open_barrier();
  void check_barrier() const;
  bool try_collective(int warp, unsigned mask);
  void check_same_collective(const Thread& first, const Thread& other) const;
  void report_deadlock() const;
  [[nodiscard]] unsigned absent_lanes(int warp) const;

  std::vector<Thread> threads_ = std::vector<Thread>(kMostThreads);
  std::array<Warp, kMostWarps> warps_;
  Fiber outside_;  // the thread that launched the kernel
  const KernelLaunch* launch_ = nullptr;
  Thread* running_ = nullptr;
  Random* random_ = nullptr;
  Schedule schedule_ = Schedule::kRandom;
  bool by_priority_ = false;
  uint3 index_ = {};
  int size_ = 0;
  int warp_count_ = 0;
  int ready_ = 0;
  int at_barrier_ = 0;
  int exited_ = 0;
  int barrier_votes_ = 0;
  unsigned barriers_ = 0;
  // Addresses that stand for barriers before TSan; two of each, as a thread may already wait at the
  // next barrier before another has left this one.
  char begin_order_ = 0;
  char end_order_ = 0;
  char barrier_order_[2] = {};
  char warp_order_[kMostWarps][2] = {};
};

Block& block();

// The running thread's number in its block.
int running_thread();

// What an exiting thread has copied asynchronously without waiting for it is forgotten.
void drop_copies();

// Computes the results of a collective from its lanes' operands (warp_collectives.cpp).
void resolve_collective(Thread* lanes, unsigned mask);

}  // namespace rooftop::host_executor
