#include "profiler/join/counter_join.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace rooftop::join {
namespace {

// A kernel's operations are a matter of its code and shapes; what it moves depends on the caches.
bool counts_operations(std::string_view metric) {
  return metric.starts_with("sm__ops_path_tensor_") ||
         metric.starts_with("smsp__sass_thread_inst_executed_op_");
}

// The rows of a matrix product, which with the model's shape are all that its work depends on; none
// for other operators.
std::optional<std::uint64_t> rows_of(const StepKey& key, Operator op) {
  switch (op) {
    case Operator::kQkv:
    case Operator::kQ:
    case Operator::kK:
    case Operator::kV:
    case Operator::kGateUp:
    case Operator::kGateUpAct:
    case Operator::kGate:
    case Operator::kUp:
    case Operator::kDown:
    case Operator::kOProj:
      return key.total_query_tokens;
    case Operator::kLmHead:
      return key.logit_rows;
    default:
      return std::nullopt;
  }
}

// Places of the launches, those of one signature together and in order.
std::vector<std::uint32_t> by_signature(std::span<const StepLaunch> launches) {
  std::vector<std::uint32_t> places(launches.size());
  std::iota(places.begin(), places.end(), 0U);
  std::stable_sort(places.begin(), places.end(), [&](std::uint32_t a, std::uint32_t b) {
    return launches[a].signature < launches[b].signature;
  });
  return places;
}

std::vector<SignatureId> signatures_at(std::span<const StepLaunch> launches,
                                       std::span<const std::uint32_t> places) {
  std::vector<SignatureId> sorted;
  sorted.reserve(places.size());
  for (const std::uint32_t place : places) sorted.push_back(launches[place].signature);
  return sorted;
}

// How many of sorted[at...] are the same.
std::size_t run_length(std::span<const SignatureId> sorted, std::size_t at) {
  const auto from = sorted.begin() + static_cast<std::ptrdiff_t>(at);
  return static_cast<std::size_t>(std::upper_bound(from, sorted.end(), *from) - from);
}

bool same_order(std::span<const SignatureId> a, std::span<const StepLaunch> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](SignatureId x, const StepLaunch& y) { return x == y.signature; });
}

// Equal ones that make a figure certain enough to be used elsewhere.
constexpr std::uint32_t kObservationsOfMemo = 2;

std::string times(std::size_t count) {
  return count == 1 ? "once" : count == 0 ? "never" : fmt::format("{} times", count);
}

}  // namespace

StepKey key_of(const ScopeRecord& step) {
  return {.phase = step.phase,
          .batch = step.batch,
          .query_tokens = step.query_tokens,
          .length = step.length,
          .total_query_tokens = step.total_query_tokens,
          .total_keys = step.total_keys,
          .attention_pairs = step.attention_pairs,
          .logit_rows = step.logit_rows};
}

std::vector<SetId> CounterJoin::add_counter_step(const StepKey& key,
                                                 std::span<const StepLaunch> launches) {
  const std::vector<std::uint32_t> places = by_signature(launches);
  std::vector<SignatureId> sorted = signatures_at(launches, places);
  std::vector<Group>& groups = groups_[key];
  auto group = std::find_if(groups.begin(), groups.end(),
                            [&](const Group& g) { return g.sorted == sorted; });
  if (group == groups.end()) {
    Group fresh;
    for (const StepLaunch& launch : launches) fresh.in_order.push_back(launch.signature);
    fresh.sorted = std::move(sorted);
    std::vector<SetId> memos;
    for (const std::uint32_t place : places) memos.push_back(make_memo(key, launches[place]));
    fresh.first_set = static_cast<SetId>(sets_.size());  // in a row, behind all memos
    for (const SetId memo : memos) sets_.push_back({.merged = {}, .memo = memo, .is_memo = false});
    group = groups.insert(groups.end(), std::move(fresh));
  }
  std::vector<SetId> sets(launches.size());
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    sets[places[rank]] = group->first_set + static_cast<SetId>(rank);
  }
  return sets;
}

SetId CounterJoin::make_memo(const StepKey& key, const StepLaunch& launch) {
  const auto rows = rows_of(key, launch.op);
  if (!rows) return 0;
  const auto next = static_cast<SetId>(sets_.size());
  const auto [it, inserted] = memos_.try_emplace(
      MemoKey{.signature = launch.signature, .op = launch.op, .rows = *rows}, next);
  if (inserted) sets_.push_back({.merged = {}, .memo = 0, .is_memo = true});
  return it->second;
}

SetId CounterJoin::find_memo(const StepKey& key, const StepLaunch& launch) const {
  const auto rows = rows_of(key, launch.op);
  if (!rows) return 0;
  const auto it =
      memos_.find(MemoKey{.signature = launch.signature, .op = launch.op, .rows = *rows});
  return it == memos_.end() ? 0 : it->second;
}

MetricId CounterJoin::metric(std::string_view name) {
  const auto next = static_cast<MetricId>(metrics_.size());
  const auto [it, inserted] = metric_ids_.try_emplace(std::string(name), next);
  if (inserted) {
    metrics_.emplace_back(name);
    counts_operations_.push_back(counts_operations(name));
  }
  return it->second;
}

void CounterJoin::observe(SetId set, MetricId metric, double value, Provenance source) {
  if (set == 0 || !std::isfinite(value) || source >= Provenance::kAbsent) return;
  merge(sets_[set], metric, value, source);
  // What was itself remembered, or split, is no further evidence.
  const SetId memo = sets_[set].memo;
  if (memo != 0 && source == Provenance::kMeasured && counts_operations_[metric]) {
    merge(sets_[memo], metric, value, source);
  }
}

void CounterJoin::merge(Set& set, MetricId metric, double value, Provenance source) {
  auto it = std::find_if(set.merged.begin(), set.merged.end(),
                         [&](const Merged& m) { return m.metric == metric; });
  if (it == set.merged.end()) it = set.merged.insert(it, Merged{.metric = metric});
  if (source > it->source) return;
  if (source < it->source) {
    *it = {.metric = metric, .lowest = value, .highest = value, .source = source};
  }
  ++it->observations;
  it->sum += value;
  it->lowest = std::min(it->lowest, value);
  it->highest = std::max(it->highest, value);
}

std::vector<JoinedCounter> CounterJoin::counters(SetId id) const {
  std::vector<JoinedCounter> counters;
  const Set& set = sets_[id];
  if (!set.is_memo) {
    for (const Merged& m : set.merged) {
      counters.push_back({.metric = m.metric,
                          .value = m.sum / m.observations,
                          .source = weakest(Provenance::kJoined, m.source)});
    }
  }
  const SetId memo = set.is_memo ? id : set.memo;
  for (const Merged& m : sets_[memo].merged) {
    const bool agreed = m.observations >= kObservationsOfMemo && m.lowest == m.highest;
    const bool known = std::any_of(counters.begin(), counters.end(),
                                   [&](const JoinedCounter& c) { return c.metric == m.metric; });
    if (!agreed || known) continue;
    counters.push_back({.metric = m.metric, .value = m.lowest, .source = Provenance::kMemoised});
  }
  return counters;
}

CounterJoin::Match CounterJoin::match(const StepKey& key, std::span<const StepLaunch> launches,
                                      Coverage coverage) const {
  Match match;
  match.sets.reserve(launches.size());
  for (const StepLaunch& launch : launches) match.sets.push_back(find_memo(key, launch));
  const auto groups = groups_.find(key);
  if (groups == groups_.end()) return match;

  const std::vector<std::uint32_t> places = by_signature(launches);
  const std::vector<SignatureId> sorted = signatures_at(launches, places);
  for (const Group& group : groups->second) {
    if (group.sorted != sorted) continue;
    for (std::size_t rank = 0; rank < places.size(); ++rank) {
      match.sets[places[rank]] = group.first_set + static_cast<SetId>(rank);
    }
    match.fit = same_order(group.in_order, launches) ? Fit::kInOrder : Fit::kReordered;
    return match;
  }
  // Where the recorder paused within a step, its other kernels are the better witness.
  const Group& nearest = *std::max_element(
      groups->second.begin(), groups->second.end(),
      [](const Group& a, const Group& b) { return a.sorted.size() < b.sorted.size(); });
  match.fit = Fit::kOtherKernels;
  match.difference = difference(nearest, launches, sorted);
  if (coverage == Coverage::kSome) match_some(nearest, sorted, places, match);
  return match;
}

void CounterJoin::match_some(const Group& group, std::span<const SignatureId> sorted,
                             std::span<const std::uint32_t> places, Match& match) {
  for (std::size_t at = 0; at < sorted.size();) {
    const std::size_t count = run_length(sorted, at);
    const auto [first, last] =
        std::equal_range(group.sorted.begin(), group.sorted.end(), sorted[at]);
    if (static_cast<std::size_t>(last - first) == count) {
      const auto set = group.first_set + static_cast<SetId>(first - group.sorted.begin());
      for (std::size_t i = 0; i < count; ++i) {
        match.sets[places[at + i]] = set + static_cast<SetId>(i);
      }
      match.fit = Fit::kPartly;
    }
    at += count;
  }
}

// The first launch in the timeline's order whose kernel did not run as often in the counter step.
std::string CounterJoin::difference(const Group& group, std::span<const StepLaunch> launches,
                                    std::span<const SignatureId> sorted) const {
  const auto count = [](std::span<const SignatureId> all, SignatureId id) {
    const auto [first, last] = std::equal_range(all.begin(), all.end(), id);
    return static_cast<std::size_t>(last - first);
  };
  const auto clause = [&](SignatureId id) {
    return fmt::format("{} ran {} in the timeline's step and {} in the counters'",
                       signatures_.describe(id), times(count(sorted, id)),
                       times(count(group.sorted, id)));
  };
  for (const StepLaunch& launch : launches) {
    if (count(sorted, launch.signature) != count(group.sorted, launch.signature)) {
      return clause(launch.signature);
    }
  }
  for (const SignatureId id : group.in_order) {
    if (count(sorted, id) == 0) return clause(id);
  }
  return {};
}

std::vector<CounterJoin::Spread> CounterJoin::spreads() const {
  std::vector<double> apart(metrics_.size());
  std::vector<double> means(metrics_.size());
  for (const Set& set : sets_) {
    if (set.is_memo) continue;
    for (const Merged& m : set.merged) {
      if (m.observations < 2) continue;
      apart[m.metric] += m.highest - m.lowest;
      means[m.metric] += m.sum / m.observations;
    }
  }
  std::vector<Spread> spreads;
  for (MetricId i = 0; i < metrics_.size(); ++i) {
    if (means[i] > 0) spreads.push_back({.metric = metrics_[i], .relative = apart[i] / means[i]});
  }
  return spreads;
}

}  // namespace rooftop::join
