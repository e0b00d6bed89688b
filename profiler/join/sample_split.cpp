#include "profiler/join/sample_split.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rooftop::join {
namespace {

// Limits that only a broken trace reaches: launches that one device runs at the same moment (the
// first in time take part), samples that wait for theirs, and how long one sample lasts.
constexpr std::size_t kMostAtOnce = 1024;
constexpr std::size_t kMostPending = std::size_t{1} << 20;
constexpr std::int64_t kLongestNs = 10'000'000'000;

}  // namespace

void SampleSplit::add_launch(LaunchNumber launch, Timestamp begin, Timestamp end) {
  if (begin < end) later_.push_back({.number = launch, .begin = begin.ns, .end = end.ns});
}

void SampleSplit::add_sample(Timestamp begin, Timestamp end, Tag tag, double value,
                             Accrual accrual) {
  if (!std::isfinite(value) || value < 0) return;
  const bool usable = begin.ns >= begin_ && begin < end && end.ns - begin.ns <= kLongestNs;
  if (usable && samples_.size() < kMostPending) {
    samples_.push_back(
        {.begin = begin.ns, .end = end.ns, .tag = tag, .accrual = accrual, .value = value});
    return;
  }
  Totals& totals = totals_[tag];
  totals.all += value;
  totals.unassigned += value;
}

void SampleSplit::split_until(Timestamp until, const Sink& sink) {
  const auto earlier = [](const Sample& a, const Sample& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  };
  if (!std::is_sorted(samples_.begin(), samples_.end(), earlier)) {
    std::stable_sort(samples_.begin(), samples_.end(), earlier);
  }
  // In order of begin, so that what ended before one sample is of no concern to the next.
  const auto ready = std::find_if(samples_.begin(), samples_.end(),
                                  [&](const Sample& s) { return s.end > until.ns; });
  for (auto sample = samples_.begin(); sample != ready; ++sample) split(*sample, sink);
  samples_.erase(samples_.begin(), ready);
}

void SampleSplit::split(const Sample& sample, const Sink& sink) {
  if (sample.begin != begin_ || sample.end != end_) measure(sample.begin, sample.end);
  Totals& totals = totals_[sample.tag];
  totals.all += sample.value;
  const bool work = sample.accrual == Accrual::kWork;
  const double whole = work ? busy_ : static_cast<double>(sample.end - sample.begin);
  for (const Part& part : parts_) sink(part.launch, sample.tag, sample.value * part.time / whole);
  totals.unassigned += parts_.empty() ? sample.value : sample.value * (1 - busy_ / whole);
}

Timestamp SampleSplit::earliest_pending(Timestamp otherwise) const {
  for (const Sample& sample : samples_) otherwise = std::min(otherwise, Timestamp{sample.begin});
  return otherwise;
}

void SampleSplit::measure(std::int64_t begin, std::int64_t end) {
  begin_ = begin;
  end_ = end;
  std::erase_if(current_, [&](const Launch& launch) { return launch.end <= begin; });
  if (current_.size() > kMostAtOnce) current_.resize(kMostAtOnce);
  for (; !later_.empty() && later_.front().begin < end; later_.pop_front()) {
    if (later_.front().end > begin) current_.push_back(later_.front());
  }
  divide_time();
}

// The time that each launch had in the interval. One walk over their begins and ends: `shared` is
// what one that ran all the while has got.
void SampleSplit::divide_time() {
  struct Edge {
    std::int64_t at = 0;
    std::size_t part = 0;
    bool opens = false;
  };
  std::vector<Edge> edges;
  parts_.clear();
  for (const Launch& launch : current_) {
    if (launch.begin >= end_) continue;  // of an interval measured before, that reached further
    edges.push_back({.at = std::max(launch.begin, begin_), .part = parts_.size(), .opens = true});
    edges.push_back({.at = std::min(launch.end, end_), .part = parts_.size(), .opens = false});
    parts_.push_back({.launch = launch.number, .time = 0});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  busy_ = 0;
  double shared = 0;
  std::int64_t last = begin_;
  std::size_t running = 0;
  for (const Edge& edge : edges) {
    const auto elapsed = static_cast<double>(edge.at - last);
    last = edge.at;
    if (running > 0) {
      shared += elapsed / static_cast<double>(running);
      busy_ += elapsed;
    }
    parts_[edge.part].time += edge.opens ? -shared : shared;
    edge.opens ? ++running : --running;
  }
}

}  // namespace rooftop::join
