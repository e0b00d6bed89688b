// Counters of every kernel, from CUPTI's range profiler: step by step, each step in one
// configuration of a plan, the next step of the same shape in the next one. A kernel is run once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture {

struct CuptiApi;
struct CudaDriver;

struct CounterOptions {
  // Devices that META has already: a kernel's `device` is an index into these, then the one that
  // describe() appends.
  std::vector<DeviceInfo> known_devices;
  std::vector<std::string> types;  // of tensor cores, in use ("bf16"): counted first
  // Also configurations of several passes, for which CUPTI runs each kernel several times, its
  // memory saved and restored.
  bool replay = false;
  // Counters although the process uses several devices or runs communication kernels: launches are
  // serialised, so that kernels that wait for each other may wait for ever.
  bool allow_communication = false;
  std::uint64_t max_steps = 0;  // counted steps; 0: no limit
  // A folder that receives what each configuration read, for tests to evaluate again.
  std::string save_counters;
};

// The environment's part of the options: ROOFTOP_SAVE_COUNTERS.
CounterOptions counter_options_from_environment();

std::unique_ptr<RecordSource> make_counters(const CuptiApi& api, const CudaDriver& driver,
                                            CounterOptions options);

// How many steps of a shape it takes until each configuration has seen it, the CUDA-core ones
// twice. For the device's own chip; 1 where that cannot be told.
int steps_to_count(const CuptiApi& api, const CudaDriver& driver, std::uint32_t ordinal,
                   const std::vector<std::string>& types);

}  // namespace rooftop::capture
