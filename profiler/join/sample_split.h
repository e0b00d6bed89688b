// Periodic counters of a whole device, split over the launches that ran while they were taken. What
// is split is never lost: the parts and what stays unassigned add up to the sample.
//
// Work (bytes moved, cycles in which a unit was busy) happens only while something runs: all of a
// sample goes to the launches within it, by the time that each had, an instant at which k ran
// counting 1/k for each. What merely passes (elapsed cycles) goes to them by the same measure, and
// the part of the sample in which nothing ran stays unassigned. So does a sample in which nothing
// ran at all.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "profiler/core/time.h"

namespace rooftop::join {

enum class Accrual : std::uint8_t { kWork, kElapsed };

// Of one device.
class SampleSplit {
 public:
  using LaunchNumber = std::uint64_t;
  using Tag = std::uint32_t;  // the caller's, one for each metric
  // A part of a sample's value.
  using Sink = std::function<void(LaunchNumber, Tag, double)>;

  struct Totals {
    double all = 0;
    double unassigned = 0;
  };

  // In order of begin. A launch that never took time takes no part.
  void add_launch(LaunchNumber launch, Timestamp begin, Timestamp end);
  // In any order, but one that begins before what was split last is not assigned any more.
  void add_sample(Timestamp begin, Timestamp end, Tag tag, double value, Accrual accrual);

  // Splits the samples that end by `until`; all launches that begin before it are known.
  void split_until(Timestamp until, const Sink& sink);
  // The begin of the earliest sample that is not split yet; `otherwise` where there is none.
  [[nodiscard]] Timestamp earliest_pending(Timestamp otherwise) const;

  // By tag, of what was split.
  [[nodiscard]] const std::map<Tag, Totals>& totals() const { return totals_; }

 private:
  struct Launch {
    LaunchNumber number = 0;
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };
  struct Sample {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    Tag tag = 0;
    Accrual accrual = Accrual::kWork;
    double value = 0;
  };
  struct Part {
    LaunchNumber launch = 0;
    double time = 0;  // nanoseconds, shared ones divided
  };

  void split(const Sample& sample, const Sink& sink);
  void measure(std::int64_t begin, std::int64_t end);
  void divide_time();

  std::deque<Launch> later_;     // in order of begin
  std::vector<Launch> current_;  // that begin before the end of the interval measured last
  std::vector<Sample> samples_;
  std::map<Tag, Totals> totals_;
  // The interval measured last: the metrics of one moment share it.
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
  std::vector<Part> parts_;
  double busy_ = 0;
};

}  // namespace rooftop::join
