#include "tools/import/timeline_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "profiler/core/error.h"
#include "tools/import/trace_output.h"

namespace rooftop::import {
namespace {

constexpr std::size_t kMaxDevices = 1024;

void note(Meta& meta, std::uint64_t count, std::string_view sentence) {
  if (count > 0) meta.notes.push_back({fmt::format(fmt::runtime(sentence), count)});
}

void note_losses(Meta& meta, const Timeline& timeline) {
  const Losses& lost = timeline.losses;
  if (lost.without_launch > 0 && lost.without_launch == lost.device_events) {
    meta.notes.push_back(
        {"The recording has no launch of any of its events on the device: which operator launched "
         "them is not known."});
  } else if (lost.without_launch > 0) {
    meta.notes.push_back({fmt::format(
        "{} of {} events on the device have no launch in the recording: they were launched before "
        "it began, and which operator launched them is not known.",
        lost.without_launch, lost.device_events)});
  }
  if (lost.without_range > 0) {
    meta.notes.push_back({fmt::format(
        "{} of {} events on the device were launched outside every range that was recorded.",
        lost.without_range, lost.device_events)});
  }
  note(meta, lost.negative_durations, "{} events that end before they begin were left out.");
  note(meta, lost.zero_durations, "{} events on the device have a duration of zero.");
  note(meta, lost.unusable_times, "{} events without a usable time were left out.");
  note(meta, lost.unclosed_ranges, "{} ranges were never closed: they end with the recording.");
  if (timeline.names.overflowed()) {
    meta.notes.push_back(
        {"The recording has more names than a trace holds: the last ones are not told apart."});
  }
}

// Indices in Meta::devices by the recorder's ordinals.
DeviceIndex choose_devices(const Timeline& timeline, const std::vector<DeviceInfo>& described,
                           Meta& meta) {
  DeviceIndex index;
  for (const DeviceEvent& event : timeline.events()) index[timeline.work(event).device] = 0;
  if (index.size() > kMaxDevices) {
    throw InputError("the recording names more than 1,024 devices: it is damaged");
  }
  for (auto& [ordinal, at] : index) {
    at = static_cast<std::uint32_t>(meta.devices.size());
    const auto found =
        std::find_if(described.begin(), described.end(),
                     [&, o = ordinal](const DeviceInfo& d) { return d.ordinal == o; });
    meta.devices.push_back(found != described.end() ? *found : cuda_device(ordinal, ""));
  }
  return index;
}

// Merges ranges and launches by time: readers keep a window of the ranges that came last, and a
// launch's range begins before the launch does.
class TimelineWriter {
 public:
  TimelineWriter(Timeline& timeline, const Meta& meta, std::int64_t epoch_ns,
                 const std::string& output)
      : timeline_(timeline), epoch_(epoch_ns), out_(output, meta) {
    strings_.resize(timeline.names.size(), kUnknown);
    number_scopes();
  }

  ImportResult write(const DeviceIndex& devices,
                     const std::function<void(TraceOutput&, const DeviceIndex&)>& more) {
    for (const DeviceEvent& event : timeline_.events()) {
      write_scopes_until(event.begin);
      const DeviceWork& work = timeline_.work(event);
      const std::uint32_t device = devices.at(work.device);
      if (work.kernel) {
        write_kernel(event, work, device);
      } else {
        write_copy(event, work, device);
      }
    }
    for (const std::uint32_t index : timeline_.cpu_launches()) {
      const Range& range = timeline_.ranges()[index];
      write_scopes_until(range.begin);
      write_cpu_launch(range);
    }
    write_scopes_until(std::numeric_limits<std::int64_t>::max());
    if (more) more(out_, devices);
    out_.finish();
    return result_;
  }

 private:
  static constexpr StringId kUnknown = 0xffffffff;

  StringId string(NameId name) {
    if (strings_[name] == kUnknown) strings_[name] = out_.intern(timeline_.names.text(name));
    return strings_[name];
  }
  [[nodiscard]] Timestamp at(std::int64_t ns) const { return {epoch_ + ns}; }
  [[nodiscard]] ScopeId scope_of(std::uint32_t range) const {
    return range == 0 ? 0 : timeline_.ranges()[range - 1].external;
  }

  // Ids in order of begin; from here on Range::external holds them.
  void number_scopes() {
    std::deque<Range>& ranges = timeline_.ranges();
    for (std::uint32_t i = 0; i < ranges.size(); ++i) {
      ranges[i].external = 0;
      if (ranges[i].needed) order_.push_back(i);
    }
    std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::tie(ranges[a].begin, a) < std::tie(ranges[b].begin, b);
    });
    std::uint32_t id = 0;
    for (const std::uint32_t index : order_) ranges[index].external = ++id;
  }

  void write_scopes_until(std::int64_t time) {
    for (; next_ < order_.size(); ++next_) {
      const Range& range = timeline_.ranges()[order_[next_]];
      if (range.begin > time) return;
      ScopeRecord scope;
      scope.id = range.external;
      scope.parent = scope_of(range.link);
      scope.kind = ScopeKind::kForeign;
      scope.begin = at(range.begin);
      scope.end = at(range.end);
      scope.thread = timeline_.os_id(range.thread);
      scope.name = string(range.name);
      scope.args = string(range.args);
      out_.add(scope);
      ++result_.ranges;
    }
  }

  void write_kernel(const DeviceEvent& event, const DeviceWork& work, std::uint32_t device) {
    KernelRecord kernel;
    kernel.id = ++result_.kernels;
    kernel.device = device;
    kernel.stream = work.stream;
    kernel.begin = at(event.begin);
    kernel.end = at(event.end);
    kernel.name = string(work.name);
    kernel.grid = work.grid;
    kernel.block = work.block;
    kernel.dynamic_shared_bytes = work.dynamic_shared_bytes;
    kernel.static_shared_bytes = work.static_shared_bytes;
    kernel.registers_per_thread = work.registers_per_thread;
    kernel.correlation = event.correlation;
    kernel.graph_node = work.graph_node;
    kernel.scope = scope_of(event.range);
    out_.add(kernel);
  }

  void write_copy(const DeviceEvent& event, const DeviceWork& work, std::uint32_t device) {
    out_.add(MemcpyRecord{.device = device,
                          .stream = work.stream,
                          .begin = at(event.begin),
                          .end = at(event.end),
                          .bytes = work.bytes,
                          .kind = work.copy,
                          .correlation = event.correlation,
                          .graph_node = work.graph_node,
                          .scope = scope_of(event.range)});
    ++result_.copies;
  }

  void write_cpu_launch(const Range& range) {
    KernelRecord kernel;
    kernel.id = ++result_.kernels;
    kernel.stream = timeline_.os_id(range.thread);
    kernel.begin = at(range.begin);
    kernel.end = at(range.end);
    kernel.name = string(range.name);
    kernel.scope = range.external;
    out_.add(kernel);
  }

  Timeline& timeline_;
  std::int64_t epoch_;
  TraceOutput out_;
  std::vector<StringId> strings_;     // by NameId
  std::vector<std::uint32_t> order_;  // of needed ranges, by begin
  std::size_t next_ = 0;
  ImportResult result_;
};

}  // namespace

ImportResult write_timeline(Timeline& timeline, Meta meta, const std::vector<DeviceInfo>& devices,
                            std::int64_t epoch_ns, const std::string& output,
                            const std::string& nothing,
                            const std::function<void(TraceOutput&, const DeviceIndex&)>& more) {
  if (!timeline.on_device() && timeline.cpu_launches().empty()) throw InputError(nothing);
  const auto index = choose_devices(timeline, devices, meta);
  if (!timeline.on_device()) {
    DeviceInfo& cpu = meta.devices.emplace_back();
    cpu.kind = DeviceKind::kCpu;
    cpu.name = "CPU";
    meta.notes.push_back(
        {"The recording holds no GPU kernels: its outermost CPU operators are shown as launches."});
  }
  note_losses(meta, timeline);
  ImportResult result = TimelineWriter(timeline, meta, epoch_ns, output).write(index, more);
  result.capture = meta.capture;
  for (const Note& n : meta.notes) result.notes.push_back(n.text);
  return result;
}

}  // namespace rooftop::import
