#include "tools/report/atlas.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "profiler/core/operator.h"
#include "tools/report/chart.h"
#include "tools/report/page.h"
#include "tools/report/page_parts.h"
#include "tools/report/text.h"
#include "tools/report/units.h"

namespace rooftop {
namespace {

using Json = nlohmann::ordered_json;

std::string span_text(double low, double high, const std::string& unit) {
  const std::string from = human_number(low, unit);
  const std::string to = human_number(high, unit);
  return from == to ? from : from + " to " + to;
}

Json range_json(const SeriesRange& range) {
  return {
      {"series", clean_text(range.series)},
      {"points", range.points},
      {"intensity", human_ratio(range.intensity_low) + " to " + human_ratio(range.intensity_high)},
      {"rate", span_text(range.rate_low, range.rate_high, "FLOP/s")},
      {"published", range.published},
      {"verdict", range.verdict}};
}

}  // namespace

std::vector<SeriesRange> series_ranges(const Report& report) {
  std::vector<SeriesRange> ranges;
  for (const std::string_view series : series_names()) {
    SeriesRange range;
    range.series = series;
    for (const Point& p : report.points()) {
      if (p.series() != series || !is_plotted(p)) continue;
      if (mark_of(p, report.flops_kind()) != Mark::kPredicted) continue;
      const bool first = range.points++ == 0;
      const auto widen = [&](double value, double& low, double& high) {
        low = first ? value : std::min(low, value);
        high = first ? value : std::max(high, value);
      };
      widen(p.intensity(), range.intensity_low, range.intensity_high);
      widen(p.flops_per_s(), range.rate_low, range.rate_high);
    }
    if (range.points > 0) ranges.push_back(std::move(range));
  }
  return ranges;
}

std::string render_atlas(const std::vector<AtlasChart>& charts, const std::string& title,
                         const std::string& lead) {
  std::string data = "[";
  for (const AtlasChart& chart : charts) {
    if (data.size() > 1) data += ',';
    Json ranges = Json::array();
    for (const SeriesRange& range : chart.ranges) ranges.push_back(range_json(range));
    data += "{\"title\":" + script_json(Json(clean_text(chart_title(chart.report)))) +
            ",\"name\":" + script_json(Json(clean_text(chart.name))) +
            ",\"ranges\":" + script_json(ranges) + ",\"report\":" + page_data(chart.report) + "}";
  }
  data += "]";
  return filled_page(atlas_template(), {{"title", escape_html(clean_text(title))},
                                        {"lead", escape_html(clean_text(lead))},
                                        {"data", data},
                                        {"script", atlas_script()}});
}

}  // namespace rooftop
