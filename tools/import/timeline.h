// What a recording with a timeline holds, in compact form: ranges that its program opened, launches
// on its host threads, and what the device ran. Events may come in any order; link() finds out
// which range each device event was launched in.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiler/core/records.h"
#include "tools/import/names.h"

namespace rooftop::import {

using ThreadIndex = std::uint32_t;

// Outer kinds first: of two ranges with the same ends, the lower kind is the outer one.
enum class RangeKind : std::uint8_t {
  kAnnotation,  // opened by the user's program: kept whatever it holds
  kMarker,      // the same, kept only around launches
  kModule,      // a frame of a module's forward function
  kOperator,
};

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  ThreadIndex thread = 0;
  NameId name = 0;
  NameId args = 0;
  std::uint32_t link = 0;      // its place in the input; once linked, its parent's index + 1
  std::uint32_t external = 0;  // the recorder's own id; once numbered, the scope's
  RangeKind kind = RangeKind::kOperator;
  bool needed = false;
};

struct HostLaunch {
  std::uint64_t correlation = 0;
  std::int64_t time = 0;
  ThreadIndex thread = 0;
  std::uint32_t range = 0;  // once linked: index + 1 of the innermost range around it
};

// What device events have in common with many others.
struct DeviceWork {
  bool kernel = true;
  MemcpyKind copy = MemcpyKind::kOther;
  NameId name = 0;
  std::uint32_t device = 0;  // the recorder's ordinal
  std::uint32_t stream = 0;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint32_t static_shared_bytes = 0;
  std::uint32_t registers_per_thread = 0;
  std::uint64_t graph_node = 0;
  std::uint64_t bytes = 0;  // of a copy

  bool operator==(const DeviceWork&) const = default;
};

struct DeviceEvent {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::uint64_t correlation = 0;
  std::uint32_t work = 0;
  std::uint32_t range = 0;  // the recorder's id of a range; once linked: index + 1 of the range
};

// What was met and left out, for the notes.
struct Losses {
  std::uint64_t negative_durations = 0;
  std::uint64_t zero_durations = 0;   // kept
  std::uint64_t unusable_times = 0;   // no number, or beyond what a trace can say
  std::uint64_t without_launch = 0;   // device events; kept
  std::uint64_t without_range = 0;    // device events launched outside every range; kept
  std::uint64_t unclosed_ranges = 0;  // end with the recording
  std::uint64_t device_events = 0;    // all that were met
};

class Timeline {
 public:
  Names names;
  Losses losses;

  // A host thread, by whatever its recorder calls it; `os_id` where that is known.
  ThreadIndex thread(std::string_view key, std::uint32_t os_id);

  // These count and leave out what has no usable times, and throw InputError where the recording
  // holds more than kMaxBytes of events.
  void add_range(const Range& range);
  void add_launch(std::uint64_t correlation, ThreadIndex thread, std::int64_t time);
  void add_device_event(const DeviceWork& work, std::int64_t begin, std::int64_t end,
                        std::uint64_t correlation, std::uint32_t external);

  // Finds ranges of device events, parents of ranges, and which ranges are needed; sorts device
  // events by begin and ranges by begin within their thread. Without device events, operators of
  // the CPU stand in for them: see cpu_launches().
  void link();

  [[nodiscard]] bool on_device() const { return !events_.empty(); }
  [[nodiscard]] const std::deque<Range>& ranges() const { return ranges_; }
  [[nodiscard]] std::deque<Range>& ranges() { return ranges_; }
  [[nodiscard]] const std::deque<DeviceEvent>& events() const { return events_; }
  [[nodiscard]] const DeviceWork& work(const DeviceEvent& event) const {
    return works_[event.work];
  }
  [[nodiscard]] std::uint32_t os_id(ThreadIndex thread) const { return threads_[thread]; }

  // Indices of the ranges that are launches of a recording without a device: the outermost
  // operators ("aten::linear", not the "aten::t" and "aten::addmm" within), by begin. After link().
  [[nodiscard]] const std::vector<std::uint32_t>& cpu_launches() const { return cpu_launches_; }

 private:
  struct WorkHash {
    std::size_t operator()(const DeviceWork& work) const;
  };

  void charge(std::size_t bytes);
  void sort_ranges();
  void find_ranges_of_launches();
  void find_ranges_of_events();
  void mark_needed();
  void find_cpu_launches();

  std::deque<Range> ranges_;
  std::deque<HostLaunch> launches_;
  std::deque<DeviceEvent> events_;
  std::deque<DeviceWork> works_;
  std::unordered_map<DeviceWork, std::uint32_t, WorkHash> work_ids_;
  std::unordered_map<std::string, ThreadIndex> thread_ids_;
  std::vector<std::uint32_t> threads_;
  std::vector<std::uint32_t> cpu_launches_;
  std::size_t bytes_ = 0;
};

}  // namespace rooftop::import
