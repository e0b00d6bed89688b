#include "profiler/join/launch_facts.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "profiler/classify/kernel_name.h"
#include "profiler/classify/step_table.h"

namespace rooftop::join {
namespace {

struct Scope {
  ScopeId id = 0;
  ScopeId parent = 0;
  Operator op = Operator::kUnclassified;
};

// All scopes of a trace, reduced to what says where a launch belongs.
class Scopes : public trace::Visitor {
 public:
  void scopes(std::span<const ScopeRecord> records) override {
    table_.add(records);
    for (const ScopeRecord& scope : records) {
      scopes_.push_back({.id = scope.id, .parent = scope.parent, .op = scope.op});
      if (scope.kind == ScopeKind::kStep) keys_.emplace(scope.id, key_of(scope));
    }
  }

  void finish() {
    table_.finish();
    std::stable_sort(scopes_.begin(), scopes_.end(),
                     [](const Scope& a, const Scope& b) { return a.id < b.id; });
  }

  // A graph's kernel belongs to the step around its launch; a kernel of no known scope to the step
  // that was open when it began.
  [[nodiscard]] std::optional<std::uint32_t> step_of(const KernelRecord& kernel) const {
    const ScopeId innermost = kernel.launch_scope != 0 ? kernel.launch_scope : kernel.scope;
    if (find(innermost) == nullptr) return table_.at(kernel.begin, kernel.end);
    return walk(innermost, [&](const Scope& scope) { return table_.find(scope.id); });
  }

  [[nodiscard]] Operator op_of(const KernelRecord& kernel) const {
    const auto op = walk(kernel.scope, [](const Scope& scope) {
      return scope.op == Operator::kUnclassified ? std::nullopt : std::optional(scope.op);
    });
    return op.value_or(Operator::kUnclassified);
  }

  [[nodiscard]] const StepTable& table() const { return table_; }
  [[nodiscard]] const StepKey& key(ScopeId step) const { return keys_.at(step); }

 private:
  [[nodiscard]] const Scope* find(ScopeId id) const {
    const auto it = std::lower_bound(scopes_.begin(), scopes_.end(), id,
                                     [](const Scope& scope, ScopeId x) { return scope.id < x; });
    return it != scopes_.end() && it->id == id ? &*it : nullptr;
  }

  // The first answer from a scope outwards. A cycle of parents ends here too.
  template <class Ask>
  auto walk(ScopeId id, Ask ask) const -> decltype(ask(Scope{})) {
    constexpr int kDeepest = 64;
    for (int depth = 0; depth < kDeepest; ++depth) {
      const Scope* scope = find(id);
      if (scope == nullptr) break;
      if (const auto answer = ask(*scope)) return answer;
      id = scope->parent;
    }
    return std::nullopt;
  }

  StepTable table_;
  std::vector<Scope> scopes_;
  std::unordered_map<ScopeId, StepKey> keys_;
};

class Launches : public trace::Visitor {
 public:
  Launches(const trace::Reader& reader, const Scopes& scopes, Signatures& signatures,
           TraceFacts& facts)
      : reader_(reader), scopes_(scopes), signatures_(signatures), facts_(facts) {}

  void kernels(std::span<const KernelRecord> records) override {
    for (const KernelRecord& record : records) {
      const std::uint32_t step = step_of(record);
      if (step != kNoStep) {
        facts_.steps[step].launches.push_back(static_cast<std::uint32_t>(facts_.launches.size()));
      }
      facts_.launches.push_back({.id = record.id,
                                 .begin_ns = record.begin.ns,
                                 .signature = signatures_.signature(record, name_of(record.name)),
                                 .step = step,
                                 .op = scopes_.op_of(record)});
    }
  }

 private:
  [[nodiscard]] std::uint32_t step_of(const KernelRecord& record) const {
    if (!facts_.has_steps) return 0;
    const auto step = scopes_.step_of(record);
    return step && !scopes_.table().steps()[*step].warmup ? *step : kNoStep;
  }

  std::uint32_t name_of(StringId id) {
    const auto [it, inserted] = names_.try_emplace(id);
    // In one spelling: tools write the same name in different ways.
    if (inserted) it->second = signatures_.name(normalised_kernel_name(reader_.string(id)));
    return it->second;
  }

  const trace::Reader& reader_;
  const Scopes& scopes_;
  Signatures& signatures_;
  TraceFacts& facts_;
  std::unordered_map<StringId, std::uint32_t> names_;
};

class StepSeeker : public trace::Visitor {
 public:
  bool found = false;
  void scopes(std::span<const ScopeRecord> records) override {
    found = found || std::any_of(records.begin(), records.end(), [](const ScopeRecord& scope) {
              return scope.kind == ScopeKind::kStep;
            });
  }
};

}  // namespace

std::vector<StepLaunch> TraceFacts::sequence(const StepFact& step) const {
  std::vector<StepLaunch> sequence;
  sequence.reserve(step.launches.size());
  for (const std::uint32_t i : step.launches) {
    sequence.push_back({.signature = launches[i].signature, .op = launches[i].op});
  }
  return sequence;
}

TraceFacts read_facts(const std::string& path, Signatures& signatures, bool whole) {
  Scopes scopes;
  trace::Reader scope_reader(path);
  scope_reader.read(scopes);
  scopes.finish();

  TraceFacts facts;
  facts.meta = scope_reader.meta();
  facts.recovery = scope_reader.recovery();
  facts.has_steps = !whole && !scopes.table().steps().empty();
  if (facts.has_steps) {
    for (const Step& step : scopes.table().steps()) {
      facts.steps.push_back({.key = scopes.key(step.id), .launches = {}});
    }
  } else {
    facts.steps.emplace_back();
  }
  trace::Reader reader(path);
  Launches launches(reader, scopes, signatures, facts);
  reader.read(launches);
  for (StepFact& step : facts.steps) {
    std::stable_sort(step.launches.begin(), step.launches.end(),
                     [&](std::uint32_t a, std::uint32_t b) {
                       return facts.launches[a].begin_ns < facts.launches[b].begin_ns;
                     });
  }
  return facts;
}

bool has_steps(const std::string& path) {
  StepSeeker seeker;
  trace::Reader reader(path);
  reader.read(seeker);
  return seeker.found;
}

}  // namespace rooftop::join
