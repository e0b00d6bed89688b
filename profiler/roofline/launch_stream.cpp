#include "profiler/roofline/launch_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "profiler/roofline/sampled_launches.h"

namespace rooftop {
namespace {

// Launches that wait for later records: a few chunks of a trace file (16k rows each).
constexpr std::size_t kLaunchWindow = std::size_t{1} << 16;
// Counters are known before or after their launch, so they wait longer.
constexpr std::size_t kCounterWindow = std::size_t{1} << 18;

constexpr std::array<std::string_view, 5> kMemcpyNames = {"memcpy", "memcpy host to device",
                                                          "memcpy device to host",
                                                          "memcpy device to device", "memset"};

std::string_view name_of(MemcpyKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return kMemcpyNames[index < kMemcpyNames.size() ? index : 0];
}

// What a copy of so many bytes moves in the device's own memory.
Traffic device_traffic(MemcpyKind kind, double bytes) {
  const bool reads = kind != MemcpyKind::kHostToDevice && kind != MemcpyKind::kMemset;
  const bool writes = kind != MemcpyKind::kDeviceToHost;
  return {.read_bytes = reads ? bytes : 0, .written_bytes = writes ? bytes : 0};
}

// Counters by launch, the oldest forgotten first.
class CounterWindow {
 public:
  void add(KernelId kernel, CounterMeaning meaning, const CounterRecord& record) {
    const auto [it, inserted] = counters_.try_emplace(kernel);
    it->second.add(meaning, record.value, record.source);
    if (!inserted) return;
    order_.push_back(kernel);
    if (order_.size() > kCounterWindow) {
      unmatched_ += counters_.erase(order_.front());
      order_.pop_front();
    }
  }

  LaunchCounters take(KernelId kernel) {
    const auto it = counters_.find(kernel);
    if (it == counters_.end()) return {};
    const LaunchCounters found = it->second;
    counters_.erase(it);
    return found;
  }

  [[nodiscard]] std::uint64_t unmatched() const { return unmatched_ + counters_.size(); }

 private:
  std::unordered_map<KernelId, LaunchCounters> counters_;
  std::deque<KernelId> order_;  // may still name launches whose counters were taken
  std::uint64_t unmatched_ = 0;
};

class Stream : public trace::Visitor {
 public:
  Stream(const trace::Reader& reader, const StepTable& steps, const TraceSurvey* survey,
         const std::function<void(const Launch&)>& sink)
      : reader_(reader),
        classifier_(steps),
        survey_(survey),
        sink_(sink),
        sampled_([this](const Waiting& launch, const LaunchCounters& sampled) {
          release(launch, sampled);
        }) {}

  void scopes(std::span<const ScopeRecord> records) override { classifier_.add(records); }

  void kernels(std::span<const KernelRecord> records) override {
    for (const KernelRecord& record : records) push({.record = record});
  }

  void memcpys(std::span<const MemcpyRecord> records) override {
    for (const MemcpyRecord& copy : records) {
      KernelRecord record;
      record.device = copy.device;
      record.stream = copy.stream;
      record.begin = copy.begin;
      record.end = copy.end;
      record.correlation = copy.correlation;
      record.graph_node = copy.graph_node;
      record.scope = copy.scope;
      push({.record = record, .is_copy = true, .kind = copy.kind, .bytes = copy.bytes});
    }
  }

  void counters(std::span<const CounterRecord> records) override {
    for (const CounterRecord& record : records) {
      if (record.kernel == 0) continue;
      if (const auto meaning = meaning_of_id(record.metric)) {
        counters_.add(record.kernel, *meaning, record);
      }
    }
  }

  void samples(std::span<const SampleRecord> records) override {
    for (const SampleRecord& record : records) {
      if (const auto meaning = meaning_of_id(record.metric)) sampled_.add(record, *meaning);
    }
  }

  void drops(std::span<const DropRecord> records) override {
    for (const DropRecord& record : records) stats_.dropped_records += record.count;
  }

  LaunchStreamStats finish() {
    emit(waiting_.size());
    sampled_.finish();
    stats_.sampled_dram = sampled_.totals(CounterFigure::kDramRead);
    const auto written = sampled_.totals(CounterFigure::kDramWritten);
    stats_.sampled_dram.all += written.all;
    stats_.sampled_dram.unassigned += written.unassigned;
    stats_.unmatched_counters = counters_.unmatched();
    return stats_;
  }

 private:
  struct Waiting {
    KernelRecord record;
    bool is_copy = false;
    MemcpyKind kind = MemcpyKind::kOther;
    std::uint64_t bytes = 0;
  };

  void push(Waiting launch) {
    if (!plausible(launch.record.begin, launch.record.end)) {
      ++stats_.rejected;
      return;
    }
    waiting_.push_back(launch);
    if (waiting_.size() >= 2 * kLaunchWindow) emit(kLaunchWindow);
  }

  // Passes on the first so many in order of begin; of equal begins in order of arrival. Most traces
  // come sorted, and then this only looks.
  void emit(std::size_t count) {
    const auto earlier = [](const Waiting& a, const Waiting& b) {
      return a.record.begin < b.record.begin;
    };
    if (!std::is_sorted(waiting_.begin(), waiting_.end(), earlier)) {
      std::stable_sort(waiting_.begin(), waiting_.end(), earlier);
    }
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    for (auto it = waiting_.begin(); it != end; ++it) {
      sampled_.add(*it, it->record.device, it->record.begin, it->record.end);
    }
    if (end != waiting_.end()) sampled_.settle(end->record.begin);
    waiting_.erase(waiting_.begin(), end);
  }

  // A launch with all that is known about it.
  void release(const Waiting& waiting, const LaunchCounters& sampled) {
    Launch launch;
    launch.record = waiting.record;
    const KernelRecord& record = waiting.record;
    if (waiting.is_copy) {
      launch.is_copy = true;
      launch.classification = classifier_.memcpy(record);
      launch.memset = waiting.kind == MemcpyKind::kMemset;
      launch.name = name_of(waiting.kind);
      launch.copied = device_traffic(waiting.kind, static_cast<double>(waiting.bytes));
    } else {
      launch.classification = classifier_.kernel(record);
      launch.counters = counters_.take(record.id);
      launch.name = reader_.string(record.name);
    }
    launch.counters.fill(sampled);
    launch.inferred = launch.memset || (!waiting.is_copy && launch.classification.rule.empty());
    if (launch.inferred && survey_ != nullptr) infer(record.begin, launch.classification);
    sink_(launch);
  }

  // The survey counted the same launches in the same order.
  void infer(Timestamp begin, Classification& classification) {
    const InferredLaunch found = survey_->inferred.find(begin, inferred_);
    if (found.op != Operator::kUnclassified) {
      classification.op = found.op;
      classification.layer = found.layer;
      classification.rule = survey_->inferred.rule(found);
      classification.part = found.part;
    }
    if (!survey_->steps_inferred) return;
    classification.step.reset();
    if (found.step >= 0) classification.step = static_cast<std::uint32_t>(found.step);
  }

  std::optional<CounterMeaning> meaning_of_id(StringId metric) {
    constexpr std::size_t kMoreThanAnyChipHas = 10000;  // only a broken trace names more metrics
    if (meanings_.size() > kMoreThanAnyChipHas) meanings_.clear();
    const auto [it, inserted] = meanings_.try_emplace(metric);
    if (inserted) it->second = meaning_of(reader_.string(metric));
    return it->second;
  }

  const trace::Reader& reader_;
  ScopeClassifier classifier_;
  const TraceSurvey* survey_;  // null: scopes alone
  std::size_t inferred_ = 0;   // the next launch to ask for
  const std::function<void(const Launch&)>& sink_;
  std::vector<Waiting> waiting_;  // at most twice the window
  SampledLaunches<Waiting, std::function<void(const Waiting&, const LaunchCounters&)>> sampled_;
  CounterWindow counters_;
  std::unordered_map<StringId, std::optional<CounterMeaning>> meanings_;
  LaunchStreamStats stats_;
};

class StepReader : public trace::Visitor {
 public:
  explicit StepReader(StepTable& table) : table_(table) {}
  void scopes(std::span<const ScopeRecord> records) override {
    table_.add(records);
    own_ = own_ || std::any_of(records.begin(), records.end(), [](const ScopeRecord& scope) {
             return scope.kind != ScopeKind::kForeign;
           });
  }
  [[nodiscard]] bool own_scopes() const { return own_; }

 private:
  StepTable& table_;
  bool own_ = false;
};

// Hands the launches that no scope names to the classifier, in the order of their last reading.
class Survey : public Stream {
 public:
  Survey(const trace::Reader& reader, const StepTable& steps, InferredClassifier& inferred,
         const std::function<void(const Launch&)>& sink)
      : Stream(reader, steps, nullptr, sink), inferred_(inferred) {}

  void scopes(std::span<const ScopeRecord> records) override {
    inferred_.add(records);
    Stream::scopes(records);
  }
  void counters(std::span<const CounterRecord>) override {}
  void samples(std::span<const SampleRecord>) override {}

 private:
  InferredClassifier& inferred_;
};

SeenLaunch seen(const Launch& launch) {
  const KernelRecord& record = launch.record;
  return {.begin = record.begin,
          .end = record.end,
          .scope = record.scope,
          .launch_scope = record.launch_scope,
          .name = record.name,
          .device = record.device,
          .stream = record.stream,
          .grid_x = record.grid[0],
          .copy = launch.is_copy,
          .memset = launch.memset};
}

}  // namespace

LaunchStreamStats stream_launches(trace::Reader& reader, const StepTable& steps,
                                  const std::function<void(const Launch&)>& sink) {
  Stream stream(reader, steps, nullptr, sink);
  reader.read(stream);
  return stream.finish();
}

LaunchStreamStats stream_launches(trace::Reader& reader, const TraceSurvey& survey,
                                  const std::function<void(const Launch&)>& sink) {
  Stream stream(reader, survey.steps, survey.inferred.empty() ? nullptr : &survey, sink);
  reader.read(stream);
  return stream.finish();
}

StepTable read_steps(trace::Reader& reader) {
  StepTable table;
  StepReader visitor(table);
  reader.read(visitor);
  table.finish();
  return table;
}

TraceSurvey survey_trace(const std::string& path, const KernelRules& rules,
                         const SurveyOptions& options) {
  TraceSurvey survey;
  trace::Reader steps(path, {.salvage = options.salvage});
  StepReader visitor(survey.steps);
  steps.read(visitor);
  survey.steps.finish();
  survey.meta = steps.meta();
  if (options.model && survey.meta.model.hidden == 0) survey.meta.model = *options.model;
  // A run that recorded its own scopes on the host has no other launches than those.
  if (visitor.own_scopes() && survey.meta.capture.empty()) return survey;

  trace::Reader launches(path, {.salvage = options.salvage});
  bool kernels = false;
  const std::function<void(const Launch&)> sink = [&](const Launch& launch) {
    if (!launch.inferred) return;
    kernels = kernels || !launch.is_copy;
    survey.inferred.add(seen(launch));
  };
  Survey reading(launches, survey.steps, survey.inferred, sink);
  launches.read(reading);
  reading.finish();
  if (!kernels) {
    survey.inferred = {};
    return survey;
  }
  survey.steps_inferred = !visitor.own_scopes();
  survey.inferred.finish(
      rules, [&](StringId id) { return launches.string(id); }, survey.steps, survey.steps_inferred,
      survey.meta);
  for (const std::string& note : survey.inferred.notes()) survey.meta.notes.push_back({note});
  return survey;
}

}  // namespace rooftop
