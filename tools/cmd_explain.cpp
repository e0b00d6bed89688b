#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "profiler/classify/kernel_name.h"
#include "profiler/core/error.h"
#include "profiler/roofline/launch_stream.h"
#include "profiler/roofline/report.h"
#include "tools/commands.h"
#include "tools/foreign_files.h"
#include "tools/recorded_model.h"

namespace rooftop::tools {
namespace {

using nlohmann::json;

// Launches of one name that one rule made one operator.
struct Group {
  std::string name;
  Operator op = Operator::kUnclassified;
  std::string rule;
  std::uint64_t calls = 0;
  double seconds = 0;
  KernelId first = 0;
  // What runs in front of such launches and behind them, by how often.
  std::map<Operator, std::uint64_t> before;
  std::map<Operator, std::uint64_t> after;
};

struct Explained {
  KernelId id = 0;
  std::string name;
  Classification classification;
  Phase phase = Phase::kUnknown;
  std::uint32_t step = 0;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  double seconds = 0;
  std::vector<std::string> ranges;
  std::vector<std::string> before;  // operators, the nearest last
  std::vector<std::string> after;   // the nearest first
};

// Names come from the recording: nothing in them may reach the terminal as a control sequence.
std::string printable(std::string_view name, std::size_t longest) {
  std::string out(name.substr(0, longest));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

Operator most_common(const std::map<Operator, std::uint64_t>& counts) {
  const auto it = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return a.second < b.second;
  });
  return it == counts.end() ? Operator::kUnclassified : it->first;
}

// "*my_kernel*" of "void engine::my_kernel<128, true>(float*)".
std::string pattern_for(std::string_view name) {
  const std::string normal = normalised_kernel_name(name);
  std::string_view word = normal;
  word = word.substr(0, word.find_first_of("<("));
  const auto scope = word.rfind("::");
  if (scope != std::string_view::npos) word.remove_prefix(scope + 2);
  while (!word.empty() && word.back() >= '0' && word.back() <= '9') word.remove_suffix(1);
  return fmt::format("*{}*", word);
}

std::string rule_line(const Group& group) {
  const std::string pattern = pattern_for(group.name);
  if (group.op == Operator::kUnclassified) return pattern + " -> OPERATOR";
  return fmt::format("{} -> {}", pattern, name_of(group.op));
}

class Explainer {
 public:
  Explainer(const TraceSurvey& survey, const trace::Reader& reader, const KernelRules& rules,
            KernelId wanted)
      : survey_(survey),
        evidence_(rules, survey.inferred.scopes(),
                  [&reader](StringId id) { return reader.string(id); }),
        wanted_(wanted) {}

  void add(const Launch& launch) {
    const Classification& c = launch.classification;
    const double seconds = (launch.record.end - launch.record.begin).seconds();
    Group& group = groups_[{std::string(launch.name), c.op, std::string(c.rule)}];
    if (group.calls == 0) {
      group.name = launch.name;
      group.op = c.op;
      group.rule = c.rule;
      group.first = launch.record.id;
    }
    ++group.calls;
    group.seconds += seconds;
    if (last_ != nullptr) {
      ++last_->after[c.op];
      ++group.before[last_->op];
    }
    last_ = &group;
    look_for(launch, seconds);
  }

  [[nodiscard]] std::vector<const Group*> by_time(bool unclassified) const {
    std::vector<const Group*> list;
    for (const auto& [key, group] : groups_) {
      if (!unclassified || group.op == Operator::kUnclassified) list.push_back(&group);
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const Group* a, const Group* b) { return a->seconds > b->seconds; });
    return list;
  }
  [[nodiscard]] const std::optional<Explained>& found() const { return found_; }

 private:
  static constexpr std::size_t kNeighbours = 4;

  void look_for(const Launch& launch, double seconds) {
    const std::string what = std::string(name_of(launch.classification.op));
    if (found_ && found_->after.size() < kNeighbours) found_->after.push_back(what);
    if (!found_ && wanted_ != 0 && launch.record.id == wanted_ && !launch.is_copy) {
      describe(launch, seconds);
    }
    recent_.push_back(what);
    if (recent_.size() > kNeighbours) recent_.pop_front();
  }

  void describe(const Launch& launch, double seconds) {
    const Classification& c = launch.classification;
    Explained e;
    e.id = launch.record.id;
    e.name = launch.name;
    e.classification = c;
    if (c.step) {
      e.phase = survey_.steps.steps()[*c.step].phase;
      e.step = survey_.steps.steps()[*c.step].number;
    }
    e.grid = launch.record.grid;
    e.block = launch.record.block;
    e.seconds = seconds;
    e.ranges = evidence_.ranges(launch.record.scope);
    e.before.assign(recent_.begin(), recent_.end());
    found_ = std::move(e);
  }

  const TraceSurvey& survey_;
  EvidenceReader evidence_;
  KernelId wanted_;
  std::map<std::tuple<std::string, Operator, std::string>, Group> groups_;
  Group* last_ = nullptr;
  std::deque<std::string> recent_;
  std::optional<Explained> found_;
};

json to_json(const Group& group) {
  return {{"name", printable(group.name, group.name.size())},
          {"operator", name_of(group.op)},
          {"rule", group.rule},
          {"calls", group.calls},
          {"time_s", group.seconds},
          {"first_kernel", group.first},
          {"usually_after", name_of(most_common(group.before))},
          {"usually_before", name_of(most_common(group.after))},
          {"suggested_rule", rule_line(group)}};
}

json to_json(const Explained& e, const KernelRule* rule) {
  json document = {{"kernel", e.id},
                   {"name", printable(e.name, e.name.size())},
                   {"normalised_name", normalised_kernel_name(e.name)},
                   {"grid", e.grid},
                   {"block", e.block},
                   {"time_s", e.seconds},
                   {"operator", name_of(e.classification.op)},
                   {"phase", name_of(e.phase)},
                   {"layer", e.classification.layer},
                   {"step", e.step},
                   {"rule", e.classification.rule},
                   {"ranges", e.ranges},
                   {"before", e.before},
                   {"after", e.after}};
  document["name_rule"] = rule == nullptr ? json() : json(rule->pattern);
  return document;
}

void print(const Explained& e, const KernelRule* rule) {
  fmt::print("kernel {}: {}\n", e.id, printable(e.name, 400));
  fmt::print("  spelling   {}\n", printable(normalised_kernel_name(e.name), 400));
  fmt::print("  launch     grid {}, block {}, {:.2f} us\n", fmt::join(e.grid, "x"),
             fmt::join(e.block, "x"), e.seconds * 1e6);
  fmt::print("  name rule  {}\n",
             rule == nullptr ? "none fits" : fmt::format("{} [{}]", rule->pattern, rule->family));
  if (e.ranges.empty()) fmt::print("  ranges     none\n");
  for (const std::string& range : e.ranges) fmt::print("  range      {}\n", printable(range, 200));
  fmt::print("  before it  {}\n  behind it  {}\n", fmt::join(e.before, ", "),
             fmt::join(e.after, ", "));
  fmt::print("  decision   {}, phase {}, layer {}, step {}\n", name_of(e.classification.op),
             name_of(e.phase),
             e.classification.layer < 0 ? "-" : fmt::format("{}", e.classification.layer),
             e.step == 0 ? "-" : fmt::format("{}", e.step));
  const bool decided = e.classification.op != Operator::kUnclassified;
  fmt::print("  because    {}\n",
             decided ? printable(e.classification.rule, 200) : std::string("nothing decides"));
  fmt::print("To decide it by name, add to a file for --rules:\n  {} -> {}\n", pattern_for(e.name),
             decided ? name_of(e.classification.op) : "OPERATOR");
}

void print(const std::vector<const Group*>& groups, bool unclassified) {
  constexpr std::size_t kLongestReason = 60;
  const auto reason = [](const Group& group) {
    return group.rule.empty() ? std::string("nothing decides")
                              : printable(group.rule, kLongestReason);
  };
  double all = 0;
  std::size_t width = std::string_view("because").size();
  for (const Group* group : groups) {
    all += group->seconds;
    width = std::max(width, reason(*group).size());
  }
  if (groups.empty()) {
    fmt::print("{}\n", unclassified ? "Nothing is unclassified." : "The trace holds no launch.");
    return;
  }
  fmt::print("{:>12} {:>8}  {:<13}{:<{}}  {}\n", "time, us", "calls", "operator", "because", width,
             "name");
  for (const Group* group : groups) {
    fmt::print("{:>12.1f} {:>8}  {:<13}{:<{}}  {}\n", group->seconds * 1e6, group->calls,
               name_of(group->op), reason(*group), width, printable(group->name, 100));
    if (!unclassified) continue;
    fmt::print("{:>23} usually after {}, before {}; first is --kernel {}; rule to add: {}\n", "",
               name_of(most_common(group->before)), name_of(most_common(group->after)),
               group->first, rule_line(*group));
  }
  if (unclassified) fmt::print("{:.1f} us in all are unclassified.\n", all * 1e6);
}

}  // namespace

int explain_command(const ExplainOptions& options) {
  KernelRules rules = KernelRules::built_in();
  if (!options.rules.empty()) rules.load_user_file(options.rules);
  SurveyOptions survey_options{.salvage = options.salvage, .model = {}};
  if (!options.model.empty()) survey_options.model = recorded_model(options.model);
  const ReportInputs inputs(options.inputs);
  json document = json::array();
  bool found = false;
  for (const std::string& path : expand_traces(inputs.traces())) {
    const TraceSurvey survey = survey_trace(path, rules, survey_options);
    trace::Reader reader(path, {.salvage = options.salvage});
    Explainer explainer(survey, reader, rules, static_cast<KernelId>(options.kernel));
    stream_launches(reader, survey, [&](const Launch& launch) { explainer.add(launch); });
    if (options.kernel > 0) {
      if (!explainer.found()) continue;
      found = true;
      const KernelRule* rule = rules.find(normalised_kernel_name(explainer.found()->name));
      if (options.json) {
        document.push_back(to_json(*explainer.found(), rule));
      } else {
        print(*explainer.found(), rule);
      }
      continue;
    }
    const std::vector<const Group*> groups = explainer.by_time(options.unclassified);
    if (!options.json) print(groups, options.unclassified);
    for (const Group* group : groups) document.push_back(to_json(*group));
  }
  if (options.kernel > 0 && !found) {
    throw InputError(
        fmt::format("the trace has no kernel {}: `rooftop explain` without --kernel lists a number "
                    "of each name.",
                    options.kernel));
  }
  if (options.json) {
    fmt::print("{}\n", document.dump(2, ' ', false, json::error_handler_t::replace));
  }
  return 0;
}

}  // namespace rooftop::tools
