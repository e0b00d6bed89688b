#include "profiler/roofline/device_timeline.h"

#include <algorithm>

namespace rooftop {

bool DeviceTimeline::add(Timestamp begin, Timestamp end, std::size_t owner) {
  const bool in_order = begin.ns >= now_;
  advance(begin.ns);
  if (end.ns <= now_) return in_order;
  running_.push({.end = end.ns, .owner = owner, .share_at_begin = share_});
  return in_order;
}

void DeviceTimeline::finish() {
  while (!running_.empty()) advance(running_.top().end);
  if (!region_.empty()) advance(region_.back().end.ns);
}

// Moves to `to`, ending on the way what ends by then.
void DeviceTimeline::advance(std::int64_t to) {
  while (!running_.empty() && running_.top().end <= to) {
    const Running done = running_.top();
    pass(done.end);
    running_.pop();
    if (done.owner != kNobody) {
      if (done.owner >= owned_.size()) owned_.resize(done.owner + 1);
      owned_[done.owner] += share_ - done.share_at_begin;
    }
    if (running_.empty()) share_ = 0;  // keeps the integral small, and so exact
  }
  pass(to);
}

// Moves to `to` while the set of running launches stays as it is.
void DeviceTimeline::pass(std::int64_t to) {
  if (to <= now_) return;
  const auto elapsed = static_cast<double>(to - now_);
  if (running_.empty()) {
    idle_ += region_between(now_, to);
  } else {
    share_ += elapsed / static_cast<double>(running_.size());
    if (running_.size() > 1) overlap_ += elapsed;
  }
  now_ = to;
}

// How much of the region lies between two times; `from` never decreases from call to call.
double DeviceTimeline::region_between(std::int64_t from, std::int64_t to) {
  while (region_index_ < region_.size() && region_[region_index_].end.ns <= from) ++region_index_;
  double sum = 0;
  for (std::size_t i = region_index_; i < region_.size() && region_[i].begin.ns < to; ++i) {
    sum +=
        static_cast<double>(std::min(region_[i].end.ns, to) - std::max(region_[i].begin.ns, from));
  }
  return sum;
}

}  // namespace rooftop
