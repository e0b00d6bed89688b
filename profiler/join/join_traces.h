// One trace from several recordings of the same work: the timeline's records with the counters of
// the other traces given to its launches (counter_join.h). Memory is about 60 bytes for each launch
// of the largest trace, and the merged counters of each different step; nothing else is held.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rooftop::join {

struct JoinSummary {
  // Of the timeline, warm-up and steps without a launch left out. A trace without steps is one.
  std::uint64_t steps = 0;
  std::uint64_t joined_steps = 0;     // reordered and partly joined ones included
  std::uint64_t reordered_steps = 0;  // joined by the place among the launches of one kernel only
  std::uint64_t partly_joined_steps = 0;
  std::uint64_t unequal_steps = 0;    // no counters were read on an equal step
  std::uint64_t differing_steps = 0;  // they were, on other kernels
  std::string first_difference;       // a clause

  std::uint64_t launches = 0;
  std::uint64_t joined_launches = 0;     // with counters of their own place
  std::uint64_t memoised_launches = 0;   // with operations counted in steps of another length
  std::uint64_t reordered_launches = 0;  // in steps that were joined in another order

  std::uint64_t counter_steps = 0;       // warm-up left out
  std::uint64_t unmatched_counters = 0;  // of launches that are not in their trace
  std::string widest_metric;             // the one whose observations differ most between steps
  double widest_spread = 0;              // relative
};

// Whole sentences, for Meta::notes and for people.
std::vector<std::string> describe(const JoinSummary& summary);

// Writes `output`: what `timeline` holds, CounterRecords added, `capture` "timeline + counters",
// and describe() among the notes. Steps flagged warm-up take no part. Where one of the traces has
// no steps, each whole trace is one step. Throws InputError: a trace that cannot be read, traces of
// different devices or models, an output that is one of the inputs or cannot be written.
JoinSummary join_traces(const std::string& timeline, const std::vector<std::string>& counters,
                        const std::string& output);

}  // namespace rooftop::join
