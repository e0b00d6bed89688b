#include "profiler/classify/step_table.h"

#include <algorithm>
#include <tuple>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

// Steps are the one thing that a report keeps all of: this bounds a hostile file to 2 GiB. A real
// run of as many decode steps would take days.
constexpr std::size_t kMostSteps = std::size_t{1} << 24;

}  // namespace

void StepTable::add(std::span<const ScopeRecord> scopes) {
  for (const ScopeRecord& scope : scopes) {
    if (scope.kind != ScopeKind::kStep) continue;
    if (!plausible(scope.begin, scope.end)) {
      ++rejected_;
      continue;
    }
    if (steps_.size() >= kMostSteps) {
      throw InputError(
          "the trace has more than 16 million steps, which no run of one process has: it is "
          "damaged");
    }
    steps_.push_back({.id = scope.id,
                      .begin = scope.begin,
                      .end = scope.end,
                      .phase = scope.phase <= Phase::kMixed ? scope.phase : Phase::kUnknown,
                      .warmup = (scope.flags & (kStepWarmup | kStepUntraced)) != 0,
                      .batch = scope.batch,
                      .query_tokens = scope.query_tokens,
                      .length = scope.length,
                      .shape = step_shape(scope)});
  }
}

void StepTable::infer(std::vector<Step> steps) {
  constexpr ScopeId kFirstInferred = ScopeId{1} << 63;  // no recorder counts this far
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].id = kFirstInferred + i;
  steps_ = std::move(steps);
  by_id_.clear();
  warmup_steps_ = 0;
  finish();
}

void StepTable::finish() {
  // Of equal ids the first in time stays: ids are unique in a sound trace.
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::tie(a.id, a.begin, a.end) < std::tie(b.id, b.begin, b.end);
  });
  const auto duplicates = std::unique(steps_.begin(), steps_.end(),
                                      [](const Step& a, const Step& b) { return a.id == b.id; });
  rejected_ += static_cast<std::size_t>(steps_.end() - duplicates);
  steps_.erase(duplicates, steps_.end());
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::tie(a.begin, a.end, a.id) < std::tie(b.begin, b.end, b.id);
  });
  std::uint32_t number = 0;
  by_id_.reserve(steps_.size());
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].warmup) {
      ++warmup_steps_;
    } else {
      steps_[i].number = ++number;
    }
    by_id_.emplace_back(steps_[i].id, i);
  }
  std::sort(by_id_.begin(), by_id_.end());
}

std::optional<std::uint32_t> StepTable::find(ScopeId id) const {
  const auto it = std::lower_bound(by_id_.begin(), by_id_.end(), std::pair{id, std::uint32_t{0}});
  if (it == by_id_.end() || it->first != id) return std::nullopt;
  return it->second;
}

std::optional<std::uint32_t> StepTable::at(Timestamp begin, Timestamp end) const {
  // Threads that run steps at the same time are few; looking further back would let one endless
  // step in a broken trace cost a walk over all of them for every launch.
  constexpr std::ptrdiff_t kMostConcurrentSteps = 64;
  const auto next = std::upper_bound(steps_.begin(), steps_.end(), begin,
                                     [](Timestamp t, const Step& step) { return t < step.begin; });
  const auto first = next - std::min(next - steps_.begin(), kMostConcurrentSteps);
  for (auto it = next; it != first;) {
    --it;
    if (begin < it->end) return static_cast<std::uint32_t>(it - steps_.begin());
  }
  if (next != steps_.end() && next->begin < end) {
    return static_cast<std::uint32_t>(next - steps_.begin());
  }
  return std::nullopt;
}

std::vector<StepTable::Interval> StepTable::profiled_region() const {
  std::vector<Interval> region;
  for (const Step& step : steps_) {
    if (step.warmup) continue;
    if (region.empty() || region.back().end < step.begin) {
      region.push_back({.begin = step.begin, .end = step.end});
    } else {
      region.back().end = std::max(region.back().end, step.end);
    }
  }
  return region;
}

}  // namespace rooftop
