// The kernel launches of a counted step, in order: what tells the ranges that CUPTI numbers which
// kernels they are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/core/records.h"

namespace rooftop::capture {

struct CountedLaunch {
  std::string name;  // as CUPTI gives it
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint64_t correlation = 0;
  ScopeId scope = 0;
  std::uint32_t op = 0;  // nvtx::Operator of its scope; 0: none
  Timestamp when;
};

struct HeardLaunches {
  std::vector<CountedLaunch> launches;
  std::uint64_t graphs = 0;     // graph launches: their kernels are not told one by one
  std::uint64_t elsewhere = 0;  // launches in other contexts
  bool lost = false;            // there was not memory enough for them all
  // A launch is heard as it returns: of two threads' launches the first to begin may be the last.
  bool several_threads = false;
  bool captured = false;  // a stream was being captured at some time of it
};

class LaunchListener {
 public:
  // What is told that a context is about to be destroyed, on the thread that destroys it.
  struct ContextEnd {
    void (*call)(void* self, CUcontext context) noexcept;
    void* self;
  };
  LaunchListener(const CuptiApi& api, ContextEnd end) : api_(api), end_(end) {}
  ~LaunchListener() { stop(); }
  LaunchListener(const LaunchListener&) = delete;
  LaunchListener& operator=(const LaunchListener&) = delete;

  // Becomes this process's one subscriber, and is told of launches from then on.
  Status subscribe();
  void stop() noexcept;

  // Between the two, launches are kept.
  static void begin(CUcontext context) noexcept;
  static HeardLaunches end() noexcept;

  // Whether a stream is being captured: its context must not be waited for, which would end the
  // capture. Captures that were begun before subscribe() are not known.
  static bool capturing() noexcept;

 private:
  const CuptiApi& api_;
  const ContextEnd end_;
  CUpti_SubscriberHandle handle_ = nullptr;
};

// A kernel that waits for another device's kernel, by its name.
bool is_communication_kernel(const std::string& name);

}  // namespace rooftop::capture
