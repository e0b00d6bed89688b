#include "tools/import/timeline.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "profiler/core/error.h"

namespace rooftop::import {
namespace {

// About 30 million kernels with their operators: far more than a report is read for.
constexpr std::size_t kMaxBytes = std::size_t{4} << 30;
constexpr std::size_t kMaxThreads = 65536;
constexpr std::int64_t kFarthest = 4'000'000'000'000'000'000;

bool usable(std::int64_t begin, std::int64_t end) {
  return begin > -kFarthest && end < kFarthest && begin < kFarthest && end > -kFarthest;
}

// The ranges that are open while one walks along a thread. Ranges nest; where recorders' clocks
// make an inner one end a little later than its outer one, the inner one counts until its own end.
class OpenRanges {
 public:
  explicit OpenRanges(const std::deque<Range>& ranges) : ranges_(ranges) {}

  void close_until(std::int64_t time) {
    while (!open_.empty() && ranges_[open_.back()].end < time) open_.pop_back();
  }
  void push(std::uint32_t index) { open_.push_back(index); }
  void clear() { open_.clear(); }
  // Index + 1 of the innermost, 0 for none.
  [[nodiscard]] std::uint32_t innermost() const { return open_.empty() ? 0 : open_.back() + 1; }

 private:
  const std::deque<Range>& ranges_;
  std::vector<std::uint32_t> open_;
};

}  // namespace

std::size_t Timeline::WorkHash::operator()(const DeviceWork& w) const {
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  mix(std::uint64_t{w.name} << 32 | std::uint64_t{w.device} << 8 | (w.kernel ? 1 : 0));
  mix(std::uint64_t{w.stream} << 32 | w.dynamic_shared_bytes);
  mix(std::uint64_t{w.grid[0]} << 32 | w.grid[1]);
  mix(std::uint64_t{w.grid[2]} << 32 | w.block[0]);
  mix(std::uint64_t{w.block[1]} << 32 | w.block[2]);
  mix(std::uint64_t{w.static_shared_bytes} << 32 | w.registers_per_thread);
  mix(w.graph_node);
  mix(w.bytes ^ static_cast<std::uint64_t>(w.copy) << 60);
  return hash;
}

ThreadIndex Timeline::thread(std::string_view key, std::uint32_t os_id) {
  std::string text(key.substr(0, 256));
  if (const auto found = thread_ids_.find(text); found != thread_ids_.end()) return found->second;
  if (threads_.size() >= kMaxThreads) {
    throw InputError("the recording names more than 65,536 threads: it is damaged or no recording");
  }
  const auto index = static_cast<ThreadIndex>(threads_.size());
  threads_.push_back(os_id);
  thread_ids_.emplace(std::move(text), index);
  return index;
}

void Timeline::charge(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ > kMaxBytes) {
    throw InputError(
        "the recording holds more events than 4 GiB of memory do: record fewer steps, or cut the "
        "file");
  }
}

void Timeline::add_range(const Range& range) {
  if (!usable(range.begin, range.end)) {
    ++losses.unusable_times;
    return;
  }
  if (range.end < range.begin) {
    ++losses.negative_durations;
    return;
  }
  charge(sizeof(Range));
  ranges_.push_back(range);
  ranges_.back().link = static_cast<std::uint32_t>(ranges_.size());
}

void Timeline::add_launch(std::uint64_t correlation, ThreadIndex thread, std::int64_t time) {
  if (!usable(time, time)) {
    ++losses.unusable_times;
    return;
  }
  charge(sizeof(HostLaunch));
  launches_.push_back({.correlation = correlation, .time = time, .thread = thread});
}

void Timeline::add_device_event(const DeviceWork& work, std::int64_t begin, std::int64_t end,
                                std::uint64_t correlation, std::uint32_t external) {
  ++losses.device_events;
  if (!usable(begin, end)) {
    ++losses.unusable_times;
    return;
  }
  if (end < begin) {
    ++losses.negative_durations;
    return;
  }
  losses.zero_durations += begin == end ? 1 : 0;
  charge(sizeof(DeviceEvent));
  const auto [found, added] =
      work_ids_.try_emplace(work, static_cast<std::uint32_t>(works_.size()));
  if (added) {
    charge(3 * sizeof(DeviceWork));  // here, in the map, and the map's own
    works_.push_back(work);
  }
  events_.push_back({.begin = begin,
                     .end = end,
                     .correlation = correlation,
                     .work = found->second,
                     .range = external});
}

void Timeline::link() {
  sort_ranges();
  find_ranges_of_launches();
  find_ranges_of_events();
  std::deque<HostLaunch>().swap(launches_);
  std::sort(events_.begin(), events_.end(), [](const DeviceEvent& a, const DeviceEvent& b) {
    return std::tie(a.begin, a.end, a.correlation) < std::tie(b.begin, b.end, b.correlation);
  });
  if (events_.empty()) find_cpu_launches();
  mark_needed();
}

void Timeline::sort_ranges() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
    return std::tie(a.thread, a.begin, b.end, a.kind, a.link) <
           std::tie(b.thread, b.begin, a.end, b.kind, b.link);
  });
}

// One walk along each thread gives ranges their parents and launches their ranges.
void Timeline::find_ranges_of_launches() {
  std::sort(launches_.begin(), launches_.end(), [](const HostLaunch& a, const HostLaunch& b) {
    return std::tie(a.thread, a.time) < std::tie(b.thread, b.time);
  });
  OpenRanges open(ranges_);
  std::size_t next = 0;
  const auto take_launches = [&](ThreadIndex thread, std::int64_t before) {
    for (; next < launches_.size() &&
           std::tie(launches_[next].thread, launches_[next].time) < std::tie(thread, before);
         ++next) {
      if (launches_[next].thread != thread) continue;  // a thread without ranges
      open.close_until(launches_[next].time);
      launches_[next].range = open.innermost();
    }
  };
  for (std::uint32_t i = 0; i < ranges_.size(); ++i) {
    Range& range = ranges_[i];
    take_launches(range.thread, range.begin);
    // A range that ends where the next begins is its neighbour, not its parent.
    open.close_until(range.begin == range.end ? range.begin : range.begin + 1);
    range.link = open.innermost();
    open.push(i);
    if (i + 1 == ranges_.size() || ranges_[i + 1].thread != range.thread) {
      take_launches(range.thread, kFarthest);
      open.clear();
    }
  }
}

void Timeline::find_ranges_of_events() {
  std::sort(launches_.begin(), launches_.end(), [](const HostLaunch& a, const HostLaunch& b) {
    return std::tie(a.correlation, a.time) < std::tie(b.correlation, b.time);
  });
  // Where a launch was not recorded, its operator may still be known by the recorder's own id.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_id;  // external, index + 1
  bool gathered = false;
  const auto range_with_id = [&](std::uint32_t external) -> std::uint32_t {
    if (external == 0) return 0;
    if (!std::exchange(gathered, true)) {
      for (std::uint32_t i = 0; i < ranges_.size(); ++i) {
        if (ranges_[i].external != 0) by_id.emplace_back(ranges_[i].external, i + 1);
      }
      std::sort(by_id.begin(), by_id.end());
    }
    const auto found = std::lower_bound(by_id.begin(), by_id.end(), std::pair{external, 0U});
    return found != by_id.end() && found->first == external ? found->second : 0;
  };
  for (DeviceEvent& event : events_) {
    const auto launch =
        std::lower_bound(launches_.begin(), launches_.end(), event.correlation,
                         [](const HostLaunch& l, std::uint64_t c) { return l.correlation < c; });
    const bool launched = launch != launches_.end() && launch->correlation == event.correlation &&
                          event.correlation != 0;
    const std::uint32_t range = launched ? launch->range : 0;
    event.range = range != 0 ? range : range_with_id(event.range);
    losses.without_launch += !launched && event.range == 0 ? 1 : 0;
    losses.without_range += launched && event.range == 0 ? 1 : 0;
  }
}

void Timeline::mark_needed() {
  const auto mark = [&](std::uint32_t range) {
    for (; range != 0 && !ranges_[range - 1].needed; range = ranges_[range - 1].link) {
      ranges_[range - 1].needed = true;
    }
  };
  for (const DeviceEvent& event : events_) mark(event.range);
  for (const std::uint32_t index : cpu_launches_) mark(index + 1);
  for (std::uint32_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].kind == RangeKind::kAnnotation) mark(i + 1);
  }
}

void Timeline::find_cpu_launches() {
  std::vector<bool> within_launch(ranges_.size());  // or one itself
  std::vector<bool> calls_operators(ranges_.size());
  // A parent stands before its children.
  for (std::uint32_t i = 0; i < ranges_.size(); ++i) {
    const Range& range = ranges_[i];
    if (range.link != 0) within_launch[i] = within_launch[range.link - 1];
    if (range.kind != RangeKind::kOperator) continue;
    if (range.link != 0) calls_operators[range.link - 1] = true;
    const bool of_library = names.text(range.name).find("::") != std::string::npos;
    if (!within_launch[i] && of_library) {
      cpu_launches_.push_back(i);
      within_launch[i] = true;
    }
  }
  // An operator of another kind (a compiled one) is a launch where it calls no others.
  for (std::uint32_t i = 0; i < ranges_.size(); ++i) {
    if (ranges_[i].kind == RangeKind::kOperator && !within_launch[i] && !calls_operators[i]) {
      cpu_launches_.push_back(i);
    }
  }
  std::sort(cpu_launches_.begin(), cpu_launches_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(ranges_[a].begin, a) < std::tie(ranges_[b].begin, b);
  });
}

}  // namespace rooftop::import
