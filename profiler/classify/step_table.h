// The steps of one trace: what each did, and when.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "profiler/core/records.h"
#include "profiler/model/cost.h"

namespace rooftop {

// True for 0 <= begin <= end: what a clock can have said. Differences of such times cannot
// overflow.
constexpr bool plausible(Timestamp begin, Timestamp end) { return begin.ns >= 0 && begin <= end; }

struct Step {
  ScopeId id = 0;
  Timestamp begin;
  Timestamp end;
  Phase phase = Phase::kUnknown;
  bool warmup = false;
  std::uint32_t number = 0;  // counted from 1 in order of begin; warm-up steps have 0
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  StepShape shape;
};

// Holds every step of a trace, about 150 bytes each; all else in a trace can be streamed past it.
class StepTable {
 public:
  // Takes the steps among a trace's scopes and passes over the rest.
  void add(std::span<const ScopeRecord> scopes);
  // Steps that nobody recorded, found in the launches themselves: their ids are given here.
  void infer(std::vector<Step> steps);
  // Sorts and numbers; call once, after the last add() and before any question.
  void finish();

  // In order of begin.
  [[nodiscard]] std::span<const Step> steps() const { return steps_; }
  [[nodiscard]] std::size_t warmup_steps() const { return warmup_steps_; }
  // Steps that ended before they began, or whose id another step already had.
  [[nodiscard]] std::size_t rejected() const { return rejected_; }

  // Indices into steps().
  [[nodiscard]] std::optional<std::uint32_t> find(ScopeId id) const;
  // The step in which something that ran from begin to end began: of several at once, the last that
  // was opened. Where none was open at that moment, the next step that it ran into.
  [[nodiscard]] std::optional<std::uint32_t> at(Timestamp begin, Timestamp end) const;

  // The time spent in steps other than warm-up ones: disjoint intervals, in order.
  struct Interval {
    Timestamp begin;
    Timestamp end;
  };
  [[nodiscard]] std::vector<Interval> profiled_region() const;

 private:
  std::vector<Step> steps_;
  std::vector<std::pair<ScopeId, std::uint32_t>> by_id_;  // sorted
  std::size_t warmup_steps_ = 0;
  std::size_t rejected_ = 0;
};

}  // namespace rooftop
