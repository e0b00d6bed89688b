#include <fmt/core.h>

#include "profiler/join/join_traces.h"

namespace rooftop::join {
namespace {

// Below this nobody needs to be told: caches and clocks are never quite the same.
constexpr double kSpreadWorthTelling = 0.02;

std::string counted(std::uint64_t count, std::string_view what) {
  const std::string_view plural = count == 1 ? "" : what.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", count, what, plural);
}

std::string_view was(std::uint64_t count) { return count == 1 ? "was" : "were"; }

}  // namespace

std::vector<std::string> describe(const JoinSummary& s) {
  std::vector<std::string> notes;
  if (s.counter_steps == 0) {
    notes.emplace_back(
        "No counters were joined: the recordings with counters hold no step but warm-up ones.");
    return notes;
  }
  notes.push_back(fmt::format(
      "Counters of {} stand at {} of {} ({} of {}).", counted(s.counter_steps, "counter step"),
      counted(s.joined_launches, "launch"), s.launches, s.joined_steps, counted(s.steps, "step")));
  if (s.memoised_launches > 0) {
    notes.push_back(
        fmt::format("{} of matrix products took the operations of equal launches in other steps.",
                    counted(s.memoised_launches, "launch")));
  }
  if (s.reordered_steps > 0) {
    notes.push_back(
        fmt::format("In {} launches stood in another order than when counters were read: {} {} "
                    "joined by their place among the launches of the same kernel.",
                    counted(s.reordered_steps, "step"), counted(s.reordered_launches, "launch"),
                    was(s.reordered_launches)));
  }
  if (s.partly_joined_steps > 0) {
    notes.push_back(fmt::format("Counters cover {} in part: {}.",
                                counted(s.partly_joined_steps, "step"), s.first_difference));
  }
  if (s.differing_steps > 0) {
    notes.push_back(
        fmt::format("Nothing was joined to {}, whose counter steps ran other kernels: {}.",
                    counted(s.differing_steps, "step"), s.first_difference));
  }
  if (s.unequal_steps > 0) {
    notes.push_back(fmt::format(
        "No counters were read on a step equal to {} (phase, batch, tokens and length): "
        "bytes there are the closed form's.",
        counted(s.unequal_steps, "step")));
  }
  if (s.widest_spread > kSpreadWorthTelling) {
    notes.push_back(
        fmt::format("{} of equal launches differs by {:.3g} % between counter steps; "
                    "reports show the mean.",
                    s.widest_metric, 100 * s.widest_spread));
  }
  if (s.unmatched_counters > 0) {
    notes.push_back(fmt::format("{} {} left out: their launch is not in the recording.",
                                counted(s.unmatched_counters, "counter"),
                                was(s.unmatched_counters)));
  }
  return notes;
}

}  // namespace rooftop::join
