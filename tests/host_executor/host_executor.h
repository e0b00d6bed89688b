// Runs CUDA kernels on the CPU, from the very source that nvcc compiles. A CUDA thread is a fiber;
// blocks run one after the other, and at every barrier or warp collective a schedule chooses which
// thread goes on. What a kernel must not do ends the process with one message and kErrorExitCode.
// docs/host-executor.md says what this shows, and what it cannot.
#pragma once

#include <cstdint>

namespace rooftop::host_executor {

inline constexpr int kErrorExitCode = 97;

// In which order blocks, and the threads of a block that may run, take their turn.
enum class Schedule : std::uint8_t { kRandom, kAscending, kDescending };

struct Options {
  Schedule schedule = Schedule::kRandom;
  std::uint64_t seed = 1;  // of kRandom
};

// For the launches that follow. Before the first call: kRandom, seeded by the environment's
// ROOFTOP_HOST_EXECUTOR_SEED where it is set.
void set_options(const Options& options);
const Options& options();

}  // namespace rooftop::host_executor
