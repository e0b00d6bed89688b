// Launches on their way through a report, held back until the periodic samples taken while they ran
// have been split over them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <utility>

#include "profiler/core/records.h"
#include "profiler/join/sample_split.h"
#include "profiler/roofline/counters.h"

namespace rooftop {

// `Item` stands for a launch; `release(item, counters)` is called once for each, in the order in
// which they came. Without samples they go straight through. A launch that waits for samples that
// never come is let go when too many wait.
template <class Item, class Release>
class SampledLaunches {
 public:
  explicit SampledLaunches(Release release) : release_(std::move(release)) {}

  // Launches of all devices come in order of begin.
  void add(const Item& item, std::uint32_t device, Timestamp begin, Timestamp end) {
    if (devices_.empty()) return release_(item, LaunchCounters{});
    if (const auto it = devices_.find(device); it != devices_.end()) {
      it->second.add_launch(first_ + waiting_.size(), begin, end);
    }
    waiting_.push_back({.item = item, .device = device, .end = end, .sampled = {}});
  }

  void add(const SampleRecord& sample, CounterMeaning meaning) {
    constexpr std::size_t kMostDevices = 256;
    if (devices_.size() >= kMostDevices && !devices_.contains(sample.device)) return;
    const bool passes = meaning.figure == CounterFigure::kSmCycles;
    devices_[sample.device].add_sample(
        sample.begin, sample.end, static_cast<std::uint32_t>(meaning.figure),
        sample.value * meaning.weight, passes ? join::Accrual::kElapsed : join::Accrual::kWork);
  }

  // All launches that begin before `until` have come: splits what lies before it, and releases
  // whatever waits for nothing any more.
  void settle(Timestamp until) {
    constexpr std::size_t kMostWaiting = std::size_t{1} << 16;
    std::map<std::uint32_t, Timestamp> settled;
    for (auto& [device, split] : devices_) {
      split.split_until(until, [this](std::uint64_t number, std::uint32_t tag, double value) {
        if (number < first_) return;  // let go before its samples came
        waiting_[number - first_].sampled.add(
            {.figure = static_cast<CounterFigure>(tag), .weight = 1}, value, Provenance::kSampled);
      });
      settled[device] = split.earliest_pending(until);
    }
    while (!waiting_.empty()) {
      const Waiting& front = waiting_.front();
      const auto it = settled.find(front.device);
      const bool complete = it == settled.end() || front.end <= it->second;
      if (!complete && waiting_.size() <= kMostWaiting) break;
      release_(front.item, front.sampled);
      waiting_.pop_front();
      ++first_;
    }
  }

  void finish() { settle({std::numeric_limits<std::int64_t>::max()}); }

  // What was sampled while nothing ran, and all of it, over all devices.
  [[nodiscard]] join::SampleSplit::Totals totals(CounterFigure figure) const {
    join::SampleSplit::Totals sum;
    for (const auto& [device, split] : devices_) {
      const auto it = split.totals().find(static_cast<std::uint32_t>(figure));
      if (it == split.totals().end()) continue;
      sum.all += it->second.all;
      sum.unassigned += it->second.unassigned;
    }
    return sum;
  }

 private:
  struct Waiting {
    Item item;
    std::uint32_t device = 0;
    Timestamp end;
    LaunchCounters sampled;
  };

  Release release_;
  std::map<std::uint32_t, join::SampleSplit> devices_;
  std::deque<Waiting> waiting_;
  std::uint64_t first_ = 0;  // the number of waiting_.front()
};

}  // namespace rooftop
