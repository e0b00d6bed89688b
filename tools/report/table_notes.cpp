// What stands above and below the table.
#include <algorithm>
#include <map>
#include <utility>

#include "tools/report/chart.h"
#include "tools/report/rows.h"
#include "tools/report/table_parts.h"
#include "tools/report/text.h"
#include "tools/report/units.h"

namespace rooftop {
namespace {

constexpr int kLabelColumns = 10;
constexpr int kShownRuns = 3;
constexpr int kShownSkips = 4;
constexpr int kShownCells = 3;

std::string counted(double n, const std::string& what) {
  return human_count(n) + " " + what + (n == 1 ? "" : "s");
}

// "Roofs     text that goes on
//            on the next line"
void add_labelled(std::vector<std::string>& out, std::string label, const std::string& text,
                  const TableOptions& options, bool warn = false) {
  const Paint paint(options.colour);
  for (const std::string& line :
       wrap_text(clean_text(text, options.unicode), options.width - kLabelColumns)) {
    label.resize(kLabelColumns, ' ');
    const bool blank = label.find_first_not_of(' ') == std::string::npos;
    out.push_back((blank ? label : paint.bold(label)) + (warn ? paint.warn(line) : line));
    label.clear();
  }
}

void add_list(std::vector<std::string>& out, std::string label,
              const std::vector<std::string>& items, const TableOptions& options) {
  for (const std::string& item : items) {
    add_labelled(out, std::exchange(label, ""), item, options);
  }
}

std::string model_text(const Run& run) {
  std::string text = run.model().empty() ? "unknown model" : run.model();
  std::vector<std::string> details;
  if (run.weights() == "file") details.emplace_back("weights from a file");
  if (run.weights() == "random") details.emplace_back("random weights");
  const unsigned all = run.shape().layers();
  if (run.layers_run() > 0) {
    const std::string number = std::to_string(run.layers_run());
    details.push_back(all > 0 && all != run.layers_run()
                          ? number + " of " + std::to_string(all) + " layers"
                          : counted(run.layers_run(), "layer"));
  }
  for (std::size_t i = 0; i < details.size(); ++i) text += (i == 0 ? " (" : ", ") + details[i];
  return details.empty() ? text : text + ")";
}

std::string devices_text(const Run& run) {
  std::map<std::string, int> count;
  std::vector<std::string> names;
  for (const Device& device : run.devices()) {
    if (count[device.name()]++ == 0) names.push_back(device.name());
  }
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += " + ";
    if (count[name] > 1) text += std::to_string(count[name]) + " x ";
    text += name;
  }
  return text;
}

std::string run_text(const Run& run, const TableOptions& options) {
  std::vector<std::string> facts = {model_text(run)};
  const auto add = [&](std::string fact) {
    if (!fact.empty()) facts.push_back(std::move(fact));
  };
  add(devices_text(run));
  add(run.capture());
  add(run.dtype());
  if (!run.attention().empty()) add(run.attention() + " attention");
  if (run.threads() > 0) add(counted(run.threads(), "thread"));
  std::string steps = counted(static_cast<double>(run.steps()), "step");
  if (run.warmup_steps() > 0) {
    steps += " (+ " + human_count(static_cast<double>(run.warmup_steps())) + " warm-up, left out)";
  }
  add(std::move(steps));
  if (run.wall_seconds() > 0) add(human_time(run.wall_seconds(), options.unicode));
  std::string text;
  for (const std::string& fact : facts) {
    if (!text.empty()) text += options.unicode ? " · " : ", ";
    text += clean_text(fact, options.unicode);
  }
  return text;
}

void add_roofs(std::vector<std::string>& out, const Report& report, const TableOptions& options) {
  const std::vector<RoofPair> pairs = roof_pairs(report);
  if (pairs.empty()) {
    add_labelled(out, "Roofs", "none known for this device: no share of a roof is given", options);
    return;
  }
  const auto line = [](const Roof& roof) {
    std::string text = roof.label() + " " + roof.kind() + ", " + roof.name();
    if (!roof.source().empty()) text += " (" + roof.source() + ")";
    return text;
  };
  std::vector<std::string> items = {line(*pairs.front().bandwidth), line(*pairs.front().compute),
                                    "ridge at " + human_ratio(pairs.front().ridge()) + " FLOP/B"};
  for (std::size_t i = 1; i < pairs.size(); ++i) {
    items.push_back("also known, " + pairs[i].source + ": " + pairs[i].bandwidth->label() + ", " +
                    pairs[i].compute->label());
  }
  add_list(out, "Roofs", items, options);
}

void add_sources(std::vector<std::string>& out, const Report& report, const TableOptions& options) {
  const std::string dot = options.unicode ? " · " : ", ";
  std::string text;
  const std::vector<std::string> distinct = distinct_sources(report);
  if (distinct.empty()) return;
  if (distinct.size() == 1) {
    const std::string& common = distinct.front();
    const std::size_t first = common.find(' ');
    const std::size_t second = common.find(' ', first + 1);
    const std::string time = common.substr(0, first);
    text = (time == "ABSENT" ? "no times" : "time " + time) + dot + "FLOPs " +
           common.substr(first + 1, second - first - 1) + dot + "bytes " +
           common.substr(second + 1);
  } else {
    text =
        "src = time, FLOPs, bytes: M measured, J joined, E memoised, S sampled, C closed form "
        "(modelled), P predicted, - absent";
  }
  if (report.flops_kind() == "hardware") text += dot + "hardware FLOPs (tile padding included)";
  add_labelled(out, "Sources", text, options);
}

std::string joined(const std::vector<std::string>& items, const std::string& between) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : between) + item;
  return text;
}

// What the columns that only counters fill mean.
std::string ratio_legend(const Report& report, const TableOptions& options) {
  bool traffic = false, padding = false, tensor = false;
  for (const RowTotal& row : report.rows()) {
    traffic = traffic || row.has_amplification();
    padding = padding || row.has_padding();
    tensor = tensor || row.has_tensor_activity();
  }
  std::vector<std::string> items;
  if (traffic) items.emplace_back("traffic: counted bytes over compulsory ones");
  if (padding) items.emplace_back("padding: FLOPs executed over those that the shapes need");
  if (tensor) items.emplace_back("tensor: cycles in which tensor cores worked");
  return joined(items, options.unicode ? " · " : ", ");
}

// "qkv mlp ar: traffic 1.09x, padding 6.40x, tensor cores 2.1 %"
std::vector<std::string> ratio_items(const Report& report, const TableOptions& options) {
  const std::string times = options.unicode ? "×" : "x";
  std::vector<std::string> items;
  for (const RowTotal* row : ordered_rows(report)) {
    std::vector<std::string> facts;
    if (row->has_amplification()) {
      facts.push_back("traffic " + human_ratio(row->amplification()) + times);
    }
    if (row->has_padding()) facts.push_back("padding " + human_ratio(row->padding()) + times);
    if (row->has_tensor_activity()) {
      facts.push_back("tensor cores " + human_percent(row->tensor_activity()));
    }
    if (!facts.empty()) items.push_back(row->name() + ": " + joined(facts, ", "));
  }
  return items;
}

void add_ratios(std::vector<std::string>& out, const Report& report, const TableOptions& options,
                bool shown) {
  std::vector<std::string> items = ratio_items(report, options);
  if (items.empty()) return;
  if (shown) items = {ratio_legend(report, options)};
  const auto* const least = std::min_element(
      report.rows().data(), report.rows().data() + report.rows_size(),
      [](const RowTotal* a, const RowTotal* b) {
        return (a->has_counted() ? a->counted() : 1) < (b->has_counted() ? b->counted() : 1);
      });
  if ((*least)->has_counted() && (*least)->counted() < 1) {
    items.push_back("of the launches that were counted: " + human_percent((*least)->counted()) +
                    " of " + (*least)->name());
  }
  add_list(out, "Counters", items, options);
}

// Overheads and losses, over all runs. Predictions have neither.
void add_trust(std::vector<std::string>& out, const Report& report, const TableOptions& options) {
  const std::vector<std::string> sources = distinct_sources(report);
  const bool predicted =
      !sources.empty() && std::all_of(sources.begin(), sources.end(),
                                      [](const auto& s) { return s.rfind("PREDICTED", 0) == 0; });
  if (predicted) return;
  double overhead = 0, scope_ns = 0, dropped = 0, truncated = 0;
  for (const Run& run : report.runs()) {
    overhead = std::max(overhead, run.overhead_fraction());
    scope_ns = std::max(scope_ns, run.scope_overhead_ns());
    dropped += static_cast<double>(run.dropped_records());
    truncated += run.truncated() ? 1 : 0;
  }
  std::string text = "not measured";
  if (overhead > 0) text = human_percent(overhead) + " of the profiled time";
  if (scope_ns > 0) text += " (" + human_time(scope_ns * 1e-9, options.unicode) + " a scope)";
  add_labelled(out, "Overhead", text, options);
  if (report.overlap_seconds() > 0) {
    add_labelled(out, "Overlap",
                 human_time(report.overlap_seconds(), options.unicode) +
                     " with several kernels at once: times add up to more than the devices' time, "
                     "shares do not",
                 options);
  }
  add_labelled(out, "Drops", dropped == 0 ? "none" : counted(dropped, "record") + " lost", options,
               dropped != 0);
  if (truncated > 0) {
    add_labelled(out, "", "truncated: " + counted(truncated, "trace") + " ended early", options,
                 true);
  }
}

// Skipped cells, those with the same reason together.
std::vector<std::string> skipped_items(const Report& report) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  std::size_t total = 0;
  for (const Run& run : report.runs()) {
    for (const Run::Skipped& cell : run.skipped()) {
      ++total;
      const auto same = [&](const auto& group) { return group.first == cell.reason(); };
      auto group = std::find_if(groups.begin(), groups.end(), same);
      if (group == groups.end()) group = groups.insert(groups.end(), {cell.reason(), {}});
      group->second.push_back(
          cell.phase() + " " +
          cell_text(cell.phase(), cell.batch(), cell.query_tokens(), cell.length()));
    }
  }
  std::vector<std::string> items;
  std::size_t shown = 0;
  for (const auto& [reason, cells] : groups) {
    if (items.size() == kShownSkips) break;
    shown += cells.size();
    std::string text = counted(static_cast<double>(cells.size()), "cell") + ": " + reason + " (";
    for (std::size_t i = 0; i < cells.size() && i < kShownCells; ++i) {
      text += (i == 0 ? "" : ", ") + cells[i];
    }
    if (cells.size() > kShownCells) text += ", ...";
    items.push_back(text + ")");
  }
  if (shown < total) {
    items.push_back("and " + std::to_string(total - shown) +
                    " more, each with its reason in report.json");
  }
  return items;
}

}  // namespace

char source_letter(std::string_view source) {
  if (source == "MEASURED") return 'M';
  if (source == "JOINED") return 'J';
  if (source == "MEMOISED") return 'E';
  if (source == "SAMPLED") return 'S';
  if (source == "MODELLED") return 'C';
  if (source == "PREDICTED") return 'P';
  return '-';
}

std::vector<std::string> facts_lines(const Report& report, const TableOptions& options) {
  const Paint paint(options.colour);
  std::vector<std::string> lines;
  if (report.runs().empty()) return {"No run was recorded."};
  for (int i = 0; i < std::min(report.runs_size(), kShownRuns); ++i) {
    for (const std::string& line : wrap_text(run_text(report.runs(i), options), options.width)) {
      lines.push_back(paint.bold(line));
    }
  }
  const int more = report.runs_size() - kShownRuns;
  if (more > 0) lines.push_back("and " + counted(more, "more run"));
  return lines;
}

std::vector<std::string> footer_lines(const Report& report, const TableOptions& options,
                                      bool ratios_shown) {
  std::vector<std::string> out;
  add_roofs(out, report, options);
  add_sources(out, report, options);
  add_ratios(out, report, options, ratios_shown);
  add_trust(out, report, options);
  add_list(out, "Notes", {report.notes().begin(), report.notes().end()}, options);
  add_list(out, "Skipped", skipped_items(report), options);
  std::vector<std::string> findings;
  for (const Finding& finding : report.findings()) findings.push_back(finding.text());
  add_list(out, "Findings", findings, options);
  return out;
}

}  // namespace rooftop
