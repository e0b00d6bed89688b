#include "tests/corpus/scoring.h"

#include <unordered_map>

namespace rooftop::corpus {
namespace {

class Strings {
 public:
  StringId intern(const std::string& text) {
    if (text.empty()) return 0;
    const auto [it, inserted] = ids_.try_emplace(text, static_cast<StringId>(texts_.size()));
    if (inserted) texts_.push_back(text);
    return it->second;
  }
  [[nodiscard]] std::string_view text(StringId id) const { return texts_.at(id); }

 private:
  std::vector<std::string> texts_{""};
  std::unordered_map<std::string, StringId> ids_;
};

}  // namespace

Classified classify(const std::vector<LabelledLaunch>& launches, const KernelRules& rules,
                    Meta meta) {
  constexpr std::int64_t kPause = 100'000;  // between steps
  Strings strings;
  InferredClassifier classifier;
  std::int64_t now = 1000;
  ScopeId scope = 0;
  std::int32_t step = launches.empty() ? 0 : launches.front().step;
  for (const LabelledLaunch& l : launches) {
    if (l.step != step) now += kPause;
    step = l.step;
    SeenLaunch seen;
    if (!l.range.empty()) {
      ScopeRecord range;
      range.id = ++scope;
      range.kind = ScopeKind::kForeign;
      range.name = strings.intern(l.range);
      range.args = strings.intern(l.args);
      classifier.add(std::vector{range});
      seen.scope = scope;
    }
    seen.begin = {now};
    now += static_cast<std::int64_t>(l.microseconds * 1000);
    seen.end = {now};
    now += 500;
    seen.name = strings.intern(l.name);
    seen.grid_x = l.grid_x;
    seen.device = l.device;
    seen.copy = l.memset;
    seen.memset = l.memset;
    classifier.add(seen);
  }
  Classified result;
  result.meta = std::move(meta);
  StepTable steps;
  steps.finish();
  classifier.finish(
      rules, [&](StringId id) { return strings.text(id); }, steps, true, result.meta);
  std::size_t next = 0;
  now = 1000;
  step = launches.empty() ? 0 : launches.front().step;
  for (const LabelledLaunch& l : launches) {
    if (l.step != step) now += kPause;
    step = l.step;
    result.launches.push_back(classifier.find({now}, next));
    result.rules.emplace_back(classifier.rule(result.launches.back()));
    now += static_cast<std::int64_t>(l.microseconds * 1000) + 500;
  }
  result.steps.assign(steps.steps().begin(), steps.steps().end());
  return result;
}

void Score::add(Operator label, Operator found_op, Operator row, double time) {
  if (label == row) {
    labelled += 1;
    labelled_time += time;
  }
  if (found_op == row) {
    found += 1;
    found_time += time;
  }
  if (label == row && found_op == row) {
    right += 1;
    right_time += time;
  }
}

std::map<Operator, Score> score(const std::vector<LabelledLaunch>& launches,
                                const std::vector<InferredLaunch>& found) {
  std::map<Operator, Score> scores;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const Operator label = row_of(launches[i].op);
    const Operator said = row_of(found[i].op);
    for (const Operator row : {label, said}) {
      if (row == Operator::kUnclassified) continue;
      scores[row].add(label, said, row, launches[i].microseconds);
      if (label == said) break;
    }
  }
  return scores;
}

}  // namespace rooftop::corpus
