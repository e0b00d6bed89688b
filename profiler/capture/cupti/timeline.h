// The timeline: every kernel, copy and memset of this process with its time, from CUPTI's Activity
// API, each with the scope that it belongs to.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture {

struct CuptiApi;

struct TimelineOptions {
  // Devices that META has already: a kernel's `device` is an index into these, then into those that
  // describe() appends in the order in which they were first seen.
  std::vector<DeviceInfo> known_devices;

  // Host memory for records on their way, and the size of one buffer. When all of it is in use,
  // CUPTI drops records, which are counted.
  std::size_t buffer_bytes = std::size_t{1} << 20;
  std::size_t total_buffer_bytes = std::size_t{64} << 20;
  // Device memory that CUPTI may take per context, as it needs it: buffers of its default size,
  // 3.2 MB for 100,000 kernels. 0: its own limit, 250. Less is risky: CUPTI 13.0 does not take back
  // those of a graph's kernels, and gives no times once all are used (parcagpu#23 saw
  // 25 million kernels with its own limit).
  std::size_t device_buffers = 0;

  // A graph launch as one record, without its kernels: cheaper.
  bool graph_level = false;
  // Times from the hardware's own events (Blackwell and later; asked for after cuInit()).
  bool hardware_trace = false;
  // Records of the launching calls themselves and of other tools' correlation ids: counted, and
  // summed up in a note.
  bool api_calls = false;

  // A folder that receives every raw buffer as a file (docs/capture.md), for tests to replay.
  std::string save_buffers;

  // The scope around a launch.
  ScopeId (*current_scope)() noexcept = nullptr;  // null: capture::current_scope
};

// can_pause(): a step that is left out has no kernels at all; copies and memsets go on.
class Timeline : public RecordSource {
 public:
  // A short account of what was seen, for tests and for a progress line.
  struct Counts {
    std::uint64_t kernels = 0;
    std::uint64_t copies = 0;    // memsets included
    std::uint64_t graphs = 0;    // graph launches recorded as one
    std::uint64_t dropped = 0;   // by CUPTI, for want of a buffer
    std::uint64_t rejected = 0;  // times that cannot be
    std::uint64_t without_scope = 0;
  };
  [[nodiscard]] virtual Counts counts() const noexcept = 0;
};

// The environment's part of the options: ROOFTOP_SAVE_ACTIVITY.
TimelineOptions timeline_options_from_environment();

// At most one is at work in a process at a time: start() of a second is refused.
std::unique_ptr<Timeline> make_timeline(const CuptiApi& api, TimelineOptions options);

}  // namespace rooftop::capture
