// The JSON that page.js reads: the report, with the chart's judgements (marks, roofs, ranges) made
// here once. Points stand in rows of columns, their text as indices: 20k points are 4 MB.
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/operator.h"
#include "tools/report/chart.h"
#include "tools/report/page.h"
#include "tools/report/page_parts.h"
#include "tools/report/rows.h"
#include "tools/report/text.h"

namespace rooftop {
namespace {

using Json = nlohmann::ordered_json;

Json optional_json(bool present, double value) { return present ? Json(value) : Json(nullptr); }

class Strings {
 public:
  std::size_t index_of(const std::string& text) {
    const auto [entry, is_new] = index_.try_emplace(text, list_.size());
    if (is_new) list_.push_back(text);
    return entry->second;
  }
  [[nodiscard]] const std::vector<std::string>& list() const { return list_; }

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::string> list_;
};

// The columns of a point whose values are text.
constexpr std::string_view kTextColumns[] = {
    "run",   "model", "device", "dtype",        "attention",    "variant",     "operator",
    "phase", "roof",  "bound",  "flops_source", "bytes_source", "time_source", "calibration"};

Json point_json(const Point& p, const Report& report, Strings& strings) {
  const auto text = [&](const std::string& value) { return strings.index_of(value); };
  const auto twin = twin_intensity(p);
  return {{"run", text(p.run())},
          {"model", text(p.model())},
          {"device", text(p.device())},
          {"rank", p.rank()},
          {"dtype", text(p.dtype())},
          {"attention", text(p.attention())},
          {"variant", text(p.variant())},
          {"series", series_index(p.series())},
          {"operator", text(p.operator_())},
          {"phase", text(p.phase())},
          {"batch", p.batch()},
          {"query_tokens", p.query_tokens()},
          {"length", p.length()},
          {"repeats", p.repeats()},
          {"flops", optional_json(p.has_flops(), p.flops())},
          {"bytes", optional_json(p.has_dram_bytes(), p.dram_bytes())},
          {"model_bytes", optional_json(p.has_model_bytes(), p.model_bytes())},
          {"time_s", p.time_s()},
          {"time_spread_s", p.time_spread_s()},
          {"share", p.share()},
          {"intensity", optional_json(p.has_intensity(), p.intensity())},
          {"flops_per_s", optional_json(p.has_flops_per_s(), p.flops_per_s())},
          {"roof", text(p.roof())},
          {"roof_fraction", optional_json(p.has_roof_fraction(), p.roof_fraction())},
          {"bound", text(p.bound())},
          {"flops_source", text(p.flops_source())},
          {"bytes_source", text(p.bytes_source())},
          {"time_source", text(p.time_source())},
          {"amplification", optional_json(p.has_amplification(), p.amplification())},
          {"padding", optional_json(p.has_padding(), p.padding())},
          {"tensor_activity", optional_json(p.has_tensor_activity(), p.tensor_activity())},
          {"counted", optional_json(p.has_counted(), p.counted())},
          {"calibration", text(p.calibration())},
          {"does_not_fit", p.does_not_fit()},
          {"mark", is_plotted(p) ? Json(name_of(mark_of(p, report.flops_kind()))) : Json(nullptr)},
          {"twin", optional_json(twin.has_value(), twin.value_or(0))}};
}

// Only the six series: the page shows named rows as totals.
void add_points(Json& out, const Report& report) {
  Strings strings;
  Json columns = Json::array();
  Json rows = Json::array();
  for (const Point& point : report.points()) {
    if (series_index(point.series()) < 0) continue;
    const Json named = point_json(point, report, strings);
    Json row = Json::array();
    for (const auto& [name, value] : named.items()) {
      if (rows.empty()) columns.push_back(name);
      row.push_back(value);
    }
    rows.push_back(std::move(row));
  }
  out["points"] = {{"columns", columns}, {"text_columns", kTextColumns}, {"rows", std::move(rows)}};
  out["strings"] = strings.list();
}

Json row_json(const RowTotal& row) {
  return {{"name", row.name()},
          {"series", series_index(row.series())},
          {"time_s", row.time_s()},
          {"share", row.share()},
          {"flops", optional_json(row.has_flops(), row.flops())},
          {"bytes", optional_json(row.has_bytes(), row.bytes())},
          {"intensity", optional_json(row.has_intensity(), row.intensity())},
          {"flops_per_s", optional_json(row.has_flops_per_s(), row.flops_per_s())},
          {"roof_fraction", optional_json(row.has_roof_fraction(), row.roof_fraction())},
          {"amplification", optional_json(row.has_amplification(), row.amplification())},
          {"padding", optional_json(row.has_padding(), row.padding())},
          {"tensor_activity", optional_json(row.has_tensor_activity(), row.tensor_activity())},
          {"bound", row.bound()},
          {"sources", sources_of(row)}};
}

void add_rows(Json& out, const Report& report) {
  Json rows = Json::array();
  for (const RowTotal* row : ordered_rows(report)) rows.push_back(row_json(*row));
  out["rows"] = std::move(rows);
  const auto sum_json = [](const PartialSum& sum) {
    return Json{{"value", optional_json(sum.value.has_value(), sum.value.value_or(0))},
                {"complete", sum.complete}};
  };
  const Totals totals = totals_of(report);
  out["totals"] = {{"time_s", totals.time_s},
                   {"share", totals.share},
                   {"flops", sum_json(totals.flops)},
                   {"bytes", sum_json(totals.bytes)}};
}

Json roof_json(const Roof& roof) {
  return {{"name", roof.name()},    {"kind", roof.kind()},     {"value", roof.value()},
          {"label", roof.label()},  {"source", roof.source()}, {"drawn", roof.drawn()},
          {"device", roof.device()}};
}

void add_roofs(Json& out, const Report& report) {
  const std::vector<RoofPair> pairs = roof_pairs(report);
  Json list = Json::array();
  for (const RoofPair& pair : pairs) {
    list.push_back({{"source", pair.source},
                    {"bandwidth", roof_json(*pair.bandwidth)},
                    {"compute", roof_json(*pair.compute)},
                    {"ridge", pair.ridge()}});
  }
  out["roof_pairs"] = std::move(list);
  Json all = Json::array();
  for (const Roof& roof : report.roofs()) all.push_back(roof_json(roof));
  out["roofs"] = std::move(all);
  const ChartRange range = chart_range(report, pairs);
  out["range"] = {{"x_min", range.x_min},
                  {"x_max", range.x_max},
                  {"y_min", range.y_min},
                  {"y_max", range.y_max}};
}

Json run_json(const Run& run) {
  const auto& s = run.shape();
  Json devices = Json::array();
  for (const Device& device : run.devices()) {
    devices.push_back({{"name", device.name()}, {"detail", device.detail()}});
  }
  return {{"name", run.name()},
          {"created", run.created()},
          {"model", run.model()},
          {"weights", run.weights()},
          {"prediction", run.prediction()},
          {"capture", run.capture()},
          {"layers", s.layers()},
          {"layers_run", run.layers_run()},
          {"dtype", run.dtype()},
          {"attention", run.attention()},
          {"threads", run.threads()},
          {"machine", run.machine()},
          {"devices", devices},
          {"steps", run.steps()},
          {"warmup_steps", run.warmup_steps()},
          {"wall_seconds", run.wall_seconds()},
          {"overhead_fraction", run.overhead_fraction()},
          {"dropped_records", run.dropped_records()},
          {"truncated", run.truncated()},
          {"shape",
           {{"hidden", s.hidden()},
            {"layers", s.layers()},
            {"heads", s.heads()},
            {"kv_heads", s.kv_heads()},
            {"head_dim", s.head_dim()},
            {"ffn", s.ffn()},
            {"vocab", s.vocab()}}}};
}

void add_runs(Json& out, const Report& report) {
  Json runs = Json::array();
  Json skipped = Json::array();
  for (const Run& run : report.runs()) {
    runs.push_back(run_json(run));
    for (const auto& cell : run.skipped()) {
      skipped.push_back({{"phase", cell.phase()},
                         {"batch", cell.batch()},
                         {"length", cell.length()},
                         {"reason", cell.reason()}});
    }
  }
  out["runs"] = std::move(runs);
  out["skipped"] = std::move(skipped);
}

// Names without control and direction marks, which could make a page read otherwise than it is.
void clean_strings(Json& json) {
  if (json.is_string()) {
    json = clean_text(json.get_ref<const std::string&>());
  } else if (json.is_structured()) {
    for (Json& child : json) clean_strings(child);
  }
}

}  // namespace

std::string script_json(const Json& json) {
  const std::string text = json.dump(-1, ' ', true);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string page_data(const Report& report) {
  Json out;
  out["tool_version"] = report.tool_version();
  out["flops_kind"] = report.flops_kind();
  out["series"] = series_names();
  out["overlap_seconds"] = report.overlap_seconds();
  out["timed"] = has_times(report);
  add_roofs(out, report);
  add_runs(out, report);
  add_rows(out, report);
  add_points(out, report);
  out["notes"] = std::vector<std::string>(report.notes().begin(), report.notes().end());
  Json findings = Json::array();
  for (const Finding& finding : report.findings()) findings.push_back(finding.text());
  out["findings"] = std::move(findings);
  clean_strings(out);
  return script_json(out);
}

}  // namespace rooftop
