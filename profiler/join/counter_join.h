// Counters that were read on one run of a step, given to the launches of another: each launch of a
// timeline gets what was counted on the launch of the same place in an equal step. Plain records in
// and out, no files.
//
// Two steps are equal where all of StepKey is. Two launches of equal steps are the same where their
// signatures are, and their places among the launches of that signature: streams and graphs may
// change the order between different kernels, not that of one kernel's calls. A step whose launches
// are not the same ones, call for call, gets nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiler/core/operator.h"
#include "profiler/core/provenance.h"
#include "profiler/core/records.h"
#include "profiler/join/signatures.h"

namespace rooftop::join {

// All that the work of a step depends on. Of a trace without steps, which is one step as a whole,
// nothing is set.
struct StepKey {
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  std::uint64_t total_query_tokens = 0;
  std::uint64_t total_keys = 0;
  std::uint64_t attention_pairs = 0;
  std::uint32_t logit_rows = 0;
  auto operator<=>(const StepKey&) const = default;
};

StepKey key_of(const ScopeRecord& step);

struct StepLaunch {
  SignatureId signature = 0;
  Operator op = Operator::kUnclassified;  // of its scope
};

// Merged counters of one launch; 0: none.
using SetId = std::uint32_t;
using MetricId = std::uint32_t;

struct JoinedCounter {
  MetricId metric = 0;
  double value = 0;  // mean of the observations
  Provenance source = Provenance::kJoined;
};

enum class Fit : std::uint8_t {
  kNoEqualStep,   // no counters were read on an equal step
  kOtherKernels,  // they were, but the step ran other kernels
  kInOrder,       // the same launches one after the other
  kReordered,     // the same launches in another order
  kPartly,        // some kernels of the step are not among those counted (Coverage::kSome)
};

// Whether each launch of a step must be known to the counter steps.
enum class Coverage : std::uint8_t {
  kAll,
  // A recorder's filter left kernels out: those whose number of calls is equal are the same.
  kSome,
};

class CounterJoin {
 public:
  explicit CounterJoin(const Signatures& signatures) : signatures_(signatures) {}

  // First the steps on which counters were read, launches in order; gives the set of each launch,
  // to be filled by observe().
  std::vector<SetId> add_counter_step(const StepKey& key, std::span<const StepLaunch> launches);
  MetricId metric(std::string_view name);
  void observe(SetId set, MetricId metric, double value, Provenance source);

  // Then the timeline's steps.
  struct Match {
    Fit fit = Fit::kNoEqualStep;
    std::vector<SetId> sets;  // of each launch
    std::string difference;   // kOtherKernels, kPartly: the first one, a clause
  };
  [[nodiscard]] Match match(const StepKey& key, std::span<const StepLaunch> launches,
                            Coverage coverage = Coverage::kAll) const;

  // The merged counters of a set. Observations of a stronger source replace weaker ones.
  [[nodiscard]] std::vector<JoinedCounter> counters(SetId set) const;
  [[nodiscard]] const std::string& metric_name(MetricId metric) const { return metrics_[metric]; }

  // How far the observations of a metric lie apart: the sum over launches of highest less lowest,
  // over that of the means.
  struct Spread {
    std::string metric;
    double relative = 0;
  };
  [[nodiscard]] std::vector<Spread> spreads() const;

 private:
  struct Merged {
    MetricId metric = 0;
    std::uint32_t observations = 0;
    double sum = 0;
    double lowest = 0;
    double highest = 0;
    Provenance source = Provenance::kAbsent;
  };
  struct Set {
    std::vector<Merged> merged;
    SetId memo = 0;  // where the launch's operations are the same in steps of any length
    bool is_memo = false;
  };

  // Launches of steps with one key that are the same ones.
  struct Group {
    std::vector<SignatureId> in_order;  // as the first of these steps had them
    std::vector<SignatureId> sorted;
    SetId first_set = 0;  // of sorted[0]; the others follow
  };

  // The work of a matrix product is the same in every step that has the same rows for it.
  struct MemoKey {
    SignatureId signature = 0;
    Operator op = Operator::kUnclassified;
    std::uint64_t rows = 0;
    auto operator<=>(const MemoKey&) const = default;
  };

  SetId make_memo(const StepKey& key, const StepLaunch& launch);
  [[nodiscard]] SetId find_memo(const StepKey& key, const StepLaunch& launch) const;
  static void match_some(const Group& group, std::span<const SignatureId> sorted,
                         std::span<const std::uint32_t> places, Match& match);
  [[nodiscard]] std::string difference(const Group& group, std::span<const StepLaunch> launches,
                                       std::span<const SignatureId> sorted) const;
  static void merge(Set& set, MetricId metric, double value, Provenance source);

  const Signatures& signatures_;
  std::map<StepKey, std::vector<Group>> groups_;
  std::vector<Set> sets_ = std::vector<Set>(1);
  std::map<MemoKey, SetId> memos_;
  std::vector<std::string> metrics_;
  std::vector<bool> counts_operations_;  // of each metric
  std::unordered_map<std::string, MetricId> metric_ids_;
};

}  // namespace rooftop::join
