// How a device's time divides: an instant at which k launches run counts 1/k for each of them, and
// an instant of the profiled region at which none runs is idle. One pass, memory for what runs at
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <span>
#include <vector>

#include "profiler/classify/step_table.h"
#include "profiler/core/time.h"

namespace rooftop {

class DeviceTimeline {
 public:
  // A launch of a warm-up step, or of none: it takes its part of an instant, but is accounted for
  // nowhere.
  static constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

  // `region`: disjoint, in order; must outlive this object.
  explicit DeviceTimeline(std::span<const StepTable::Interval> region) : region_(region) {}

  // A launch from `begin` to `end` (plausible()) whose time goes to `owner`, a small number. Calls
  // come in order of begin; of a launch that comes late, only what lies ahead of the last begin is
  // divided, since the rest has been given away already. False for such a launch.
  bool add(Timestamp begin, Timestamp end, std::size_t owner);
  // After the last launch: accounts for what is left.
  void finish();

  // Nanoseconds.
  [[nodiscard]] double owned(std::size_t owner) const {
    return owner < owned_.size() ? owned_[owner] : 0;
  }
  [[nodiscard]] double idle() const { return idle_; }
  [[nodiscard]] double overlap() const { return overlap_; }  // two or more at once

 private:
  struct Running {
    std::int64_t end;
    std::size_t owner;
    double share_at_begin;
    bool operator>(const Running& other) const { return end > other.end; }
  };

  void advance(std::int64_t to);
  void pass(std::int64_t to);
  [[nodiscard]] double region_between(std::int64_t from, std::int64_t to);

  std::span<const StepTable::Interval> region_;
  std::size_t region_index_ = 0;
  std::priority_queue<Running, std::vector<Running>, std::greater<>> running_;
  std::int64_t now_ = 0;
  // What each running launch has got since the device was last free: the integral of 1/k.
  double share_ = 0;
  std::vector<double> owned_;
  double idle_ = 0;
  double overlap_ = 0;
};

}  // namespace rooftop
