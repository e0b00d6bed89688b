#include "profiler/roofline/launch_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

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
  Stream(const trace::Reader& reader, const StepTable& steps,
         const std::function<void(const Launch&)>& sink)
      : reader_(reader), classifier_(steps), sink_(sink) {}

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

  void drops(std::span<const DropRecord> records) override {
    for (const DropRecord& record : records) stats_.dropped_records += record.count;
  }

  LaunchStreamStats finish() {
    emit(waiting_.size());
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
    for (auto it = waiting_.begin(); it != end; ++it) emit(*it);
    waiting_.erase(waiting_.begin(), end);
  }

  void emit(const Waiting& waiting) {
    Launch launch;
    launch.record = waiting.record;
    const KernelRecord& record = waiting.record;
    if (waiting.is_copy) {
      launch.classification = classifier_.memcpy(record);
      launch.name = name_of(waiting.kind);
      launch.copied = device_traffic(waiting.kind, static_cast<double>(waiting.bytes));
    } else {
      launch.classification = classifier_.kernel(record);
      launch.counters = counters_.take(record.id);
      launch.name = reader_.string(record.name);
    }
    sink_(launch);
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
  const std::function<void(const Launch&)>& sink_;
  std::vector<Waiting> waiting_;  // at most twice the window
  CounterWindow counters_;
  std::unordered_map<StringId, std::optional<CounterMeaning>> meanings_;
  LaunchStreamStats stats_;
};

class StepReader : public trace::Visitor {
 public:
  explicit StepReader(StepTable& table) : table_(table) {}
  void scopes(std::span<const ScopeRecord> records) override { table_.add(records); }

 private:
  StepTable& table_;
};

}  // namespace

LaunchStreamStats stream_launches(trace::Reader& reader, const StepTable& steps,
                                  const std::function<void(const Launch&)>& sink) {
  Stream stream(reader, steps, sink);
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

}  // namespace rooftop
