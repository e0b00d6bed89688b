// What records a GPU beside the scopes, by the way that was chosen: what a session's options take.
// In every build: where CUPTI was not there to build with, each refuses with one sentence.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture {

enum class GpuCapture : std::uint8_t {
  kScopes,    // nothing beside the host's scopes
  kTimeline,  // every kernel with its time
  kCounters,  // hardware counters of every kernel, step by step, without times
  kSampling,  // the timeline, and periodic samples of the device's counters
};

struct GpuSourceOptions {
  GpuCapture capture = GpuCapture::kTimeline;
  // Devices that META has already: records name them by their place in it.
  std::vector<DeviceInfo> devices;
  std::vector<std::string> types;  // that the engine computes in ("bf16"): counted first
  bool replay = false;             // also configurations of several passes, by replaying kernels
  // Counters although the process uses several devices or runs communication kernels, which may
  // wait for each other for ever where launches are serialised.
  bool allow_communication = false;
  std::uint64_t max_steps = 0;  // counted steps, then launches are left alone; 0: no limit
};

using SourceMaker = std::function<std::unique_ptr<RecordSource>()>;
std::vector<SourceMaker> gpu_sources(const GpuSourceOptions& options);

// How often a counter run must see each step: once a configuration, the CUDA-core one twice.
int counter_repeats(const GpuSourceOptions& options);

}  // namespace rooftop::capture
