#include "profiler/join/join_traces.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "profiler/core/error.h"
#include "profiler/join/counter_join.h"
#include "profiler/join/launch_facts.h"
#include "profiler/trace/writer.h"

namespace rooftop::join {
namespace {

// Puts the counters of a trace into the sets of their launches.
class Observer : public trace::Visitor {
 public:
  Observer(const trace::Reader& reader, std::vector<std::pair<KernelId, SetId>> sets,
           CounterJoin& join)
      : reader_(reader), sets_(std::move(sets)), join_(join) {
    std::sort(sets_.begin(), sets_.end());
  }

  void counters(std::span<const CounterRecord> records) override {
    for (const CounterRecord& record : records) {
      const auto it = std::lower_bound(
          sets_.begin(), sets_.end(), record.kernel,
          [](const std::pair<KernelId, SetId>& entry, KernelId id) { return entry.first < id; });
      if (it == sets_.end() || it->first != record.kernel) {
        ++unmatched;
      } else {
        join_.observe(it->second, metric(record.metric), record.value, record.source);
      }
    }
  }

  std::uint64_t unmatched = 0;

 private:
  MetricId metric(StringId id) {
    const auto [it, inserted] = metrics_.try_emplace(id);
    if (inserted) it->second = join_.metric(reader_.string(id));
    return it->second;
  }

  const trace::Reader& reader_;
  std::vector<std::pair<KernelId, SetId>> sets_;
  CounterJoin& join_;
  std::unordered_map<StringId, MetricId> metrics_;
};

void add_counters(const std::string& path, const TraceFacts& facts, CounterJoin& join,
                  JoinSummary& summary) {
  std::vector<std::pair<KernelId, SetId>> sets;
  sets.reserve(facts.launches.size());
  for (const LaunchFact& launch : facts.launches) sets.emplace_back(launch.id, 0);
  for (const StepFact& step : facts.steps) {
    if (step.launches.empty()) continue;
    ++summary.counter_steps;
    const std::vector<SetId> of_step = join.add_counter_step(step.key, facts.sequence(step));
    for (std::size_t i = 0; i < of_step.size(); ++i) sets[step.launches[i]].second = of_step[i];
  }
  trace::Reader reader(path);
  Observer observer(reader, std::move(sets), join);
  reader.read(observer);
  summary.unmatched_counters += observer.unmatched;
}

// The set of each launch of the timeline, in file order.
std::vector<SetId> match_all(const TraceFacts& facts, const CounterJoin& join,
                             JoinSummary& summary) {
  std::vector<SetId> sets(facts.launches.size());
  for (const StepFact& step : facts.steps) {
    if (step.launches.empty()) continue;
    const CounterJoin::Match match = join.match(step.key, facts.sequence(step),
                                                facts.has_steps ? Coverage::kAll : Coverage::kSome);
    ++summary.steps;
    summary.launches += step.launches.size();
    const bool joined = match.fit > Fit::kOtherKernels;
    if (joined) ++summary.joined_steps;
    if (match.fit == Fit::kNoEqualStep) ++summary.unequal_steps;
    if (match.fit == Fit::kOtherKernels) ++summary.differing_steps;
    if (match.fit == Fit::kPartly) ++summary.partly_joined_steps;
    if (match.fit == Fit::kReordered) {
      ++summary.reordered_steps;
      summary.reordered_launches += step.launches.size();
    }
    if (summary.first_difference.empty()) summary.first_difference = match.difference;
    for (std::size_t i = 0; i < match.sets.size(); ++i) sets[step.launches[i]] = match.sets[i];
  }
  return sets;
}

// What the timeline's own launches were counted for: nothing is joined beside it.
class OwnCounters : public trace::Visitor {
 public:
  explicit OwnCounters(const std::string& timeline) : reader_(timeline) {
    reader_.read(*this);
    std::sort(counted_.begin(), counted_.end());
  }

  void counters(std::span<const CounterRecord> records) override {
    for (const CounterRecord& record : records) {
      counted_.emplace_back(record.kernel, record.metric);
      if (seen_.insert(record.metric).second) {
        metrics_.emplace(reader_.string(record.metric), record.metric);
      }
    }
  }

  [[nodiscard]] bool has(KernelId kernel, const std::string& metric) const {
    if (counted_.empty()) return false;
    const auto it = metrics_.find(metric);
    return it != metrics_.end() &&
           std::binary_search(counted_.begin(), counted_.end(), std::pair(kernel, it->second));
  }

 private:
  trace::Reader reader_;
  std::vector<std::pair<KernelId, StringId>> counted_;
  std::unordered_set<StringId> seen_;
  std::unordered_map<std::string, StringId> metrics_;
};

// Writes the timeline again, each kernel's counters behind it.
class Copy : public trace::Visitor {
 public:
  Copy(const trace::Reader& reader, const CounterJoin& join, const std::vector<SetId>& sets,
       const OwnCounters& own, trace::Writer& writer, JoinSummary& summary)
      : reader_(reader), join_(join), sets_(sets), own_(own), writer_(writer), summary_(summary) {}

  void scopes(std::span<const ScopeRecord> records) override {
    for (ScopeRecord record : records) {
      record.name = text(record.name);
      record.args = text(record.args);
      keep(writer_.add(record));
    }
  }

  void kernels(std::span<const KernelRecord> records) override {
    for (KernelRecord record : records) {
      record.name = text(record.name);
      keep(writer_.add(record));
      add_counters(record.id, sets_[next_launch_++]);
    }
  }

  void counters(std::span<const CounterRecord> records) override {
    for (CounterRecord record : records) {
      record.metric = text(record.metric);
      keep(writer_.add(record));
    }
  }

  void samples(std::span<const SampleRecord> records) override {
    for (SampleRecord record : records) {
      record.metric = text(record.metric);
      keep(writer_.add(record));
    }
  }

  void memcpys(std::span<const MemcpyRecord> records) override {
    for (const MemcpyRecord& record : records) keep(writer_.add(record));
  }

  void drops(std::span<const DropRecord> records) override {
    for (DropRecord record : records) {
      record.source = text(record.source);
      keep(writer_.add(record));
    }
  }

 private:
  void add_counters(KernelId kernel, SetId set) {
    bool joined = false;
    bool memoised = false;
    for (const JoinedCounter& counter : join_.counters(set)) {
      if (own_.has(kernel, join_.metric_name(counter.metric))) continue;
      const StringId metric = metric_text(counter.metric);
      keep(writer_.add(CounterRecord{
          .kernel = kernel, .metric = metric, .value = counter.value, .source = counter.source}));
      (counter.source == Provenance::kMemoised ? memoised : joined) = true;
    }
    if (joined) ++summary_.joined_launches;
    if (memoised && !joined) ++summary_.memoised_launches;
  }

  StringId text(StringId id) {
    if (id == 0) return 0;
    const auto [it, inserted] = texts_.try_emplace(id);
    if (inserted) it->second = writer_.intern(reader_.string(id));
    return it->second;
  }

  StringId metric_text(MetricId id) {
    if (id >= metrics_.size()) metrics_.resize(id + 1);
    if (metrics_[id] == 0) metrics_[id] = writer_.intern(join_.metric_name(id));
    return metrics_[id];
  }

  static void keep(const Status& status) {
    if (!status.ok()) throw InputError(status.message());
  }

  const trace::Reader& reader_;
  const CounterJoin& join_;
  const std::vector<SetId>& sets_;
  const OwnCounters& own_;
  trace::Writer& writer_;
  JoinSummary& summary_;
  std::unordered_map<StringId, StringId> texts_;
  std::vector<StringId> metrics_;  // by MetricId; 0: not written yet
  std::size_t next_launch_ = 0;
};

void check_same_work(const Meta& timeline, const Meta& counters, const std::string& path) {
  const std::size_t devices = std::min(timeline.devices.size(), counters.devices.size());
  for (std::size_t i = 0; i < devices; ++i) {
    const std::string& ours = timeline.devices[i].name;
    const std::string& theirs = counters.devices[i].name;
    if (ours.empty() || theirs.empty() || ours == theirs) continue;
    throw InputError(fmt::format(
        "{}: counters of a {} say nothing about a timeline of a {}: record both on one device",
        path, theirs, ours));
  }
  const bool both_known = timeline.model.hidden != 0 && counters.model.hidden != 0;
  if (both_known && timeline.model != counters.model) {
    throw InputError(fmt::format(
        "{}: the counters are of model '{}', the timeline of '{}': record both with one model",
        path, counters.model.name, timeline.model.name));
  }
}

void check_output(const std::string& output, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code missing;
    if (std::filesystem::equivalent(output, input, missing)) {
      throw InputError(output + " is one of the traces to be joined: name another output");
    }
  }
}

void add_notes(Meta& meta, const TraceFacts& facts, const std::string& path) {
  const std::string file = std::filesystem::path(path).filename().string();
  for (const std::string& text : facts.recovery.notes) meta.notes.push_back({file + ": " + text});
  if (facts.recovery.truncated && facts.recovery.notes.empty()) {
    meta.notes.push_back({file + " is truncated: its last part was never written."});
  }
}

void note_spread(const CounterJoin& join, JoinSummary& summary) {
  for (const CounterJoin::Spread& spread : join.spreads()) {
    // Cycles are time, which counting changes.
    const bool time = spread.metric.find("cycles") != std::string::npos;
    if (time || spread.relative <= summary.widest_spread) continue;
    summary.widest_spread = spread.relative;
    summary.widest_metric = spread.metric;
  }
}

void write_joined(const std::string& timeline, const std::string& output, const Meta& meta,
                  const std::vector<SetId>& sets, const CounterJoin& join, JoinSummary& summary) {
  const auto check = [](const Status& status) {
    if (!status.ok()) throw InputError(status.message());
  };
  trace::Writer writer;
  check(writer.open(output, meta));
  trace::Reader reader(timeline);
  const OwnCounters own(timeline);
  Copy copy(reader, join, sets, own, writer, summary);
  reader.read(copy);
  Meta notes;
  for (const std::string& text : describe(summary)) notes.notes.push_back({text});
  check(writer.add_meta(notes));
  check(writer.finish());
}

}  // namespace

JoinSummary join_traces(const std::string& timeline, const std::vector<std::string>& counters,
                        const std::string& output) {
  std::vector<std::string> inputs = counters;
  inputs.push_back(timeline);
  check_output(output, inputs);
  const bool whole = !std::all_of(inputs.begin(), inputs.end(), has_steps);

  Signatures signatures(whole ? Signatures::Detail::kWithoutSharedMemory
                              : Signatures::Detail::kFull);
  CounterJoin join(signatures);
  JoinSummary summary;
  const TraceFacts facts = read_facts(timeline, signatures, whole);
  Meta meta = facts.meta;
  add_notes(meta, facts, timeline);
  for (const std::string& path : counters) {
    const TraceFacts counted = read_facts(path, signatures, whole);
    check_same_work(facts.meta, counted.meta, path);
    add_notes(meta, counted, path);
    for (const Note& note : counted.meta.notes) meta.notes.push_back(note);
    add_counters(path, counted, join, summary);
  }
  note_spread(join, summary);
  meta.capture = (meta.capture.empty() ? "timeline" : meta.capture) + " + counters";
  const std::vector<SetId> sets = match_all(facts, join, summary);
  try {
    write_joined(timeline, output, meta, sets, join, summary);
  } catch (const InputError&) {
    (void)std::remove(output.c_str());  // half a trace would pass for a truncated one
    throw;
  }
  return summary;
}

}  // namespace rooftop::join
