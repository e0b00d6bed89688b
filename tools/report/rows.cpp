#include "tools/report/rows.h"

#include <algorithm>

#include "tools/report/chart.h"

namespace rooftop {
namespace {

int order_of(const RowTotal& row) {
  const int series = series_index(row.series());
  if (series >= 0) return series;
  if (row.name() == "unclassified") return 7;
  return row.name() == "idle" ? 8 : 6;
}

void add(PartialSum& sum, bool present, double value, const RowTotal& row) {
  if (present) {
    sum.value = sum.value.value_or(0) + value;
  } else if (row.name() != "idle" && row.time_s() > 0) {
    sum.complete = false;
  }
}

}  // namespace

std::vector<const RowTotal*> ordered_rows(const Report& report) {
  std::vector<const RowTotal*> rows;
  rows.reserve(static_cast<std::size_t>(report.rows_size()));
  for (const RowTotal& row : report.rows()) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const RowTotal* a, const RowTotal* b) {
    return order_of(*a) < order_of(*b);
  });
  return rows;
}

Totals totals_of(const Report& report) {
  Totals totals;
  for (const RowTotal& row : report.rows()) {
    totals.time_s += row.time_s();
    totals.share += row.share();
    add(totals.flops, row.has_flops(), row.flops(), row);
    add(totals.bytes, row.has_bytes(), row.bytes(), row);
  }
  return totals;
}

std::string sources_of(const RowTotal& row) {
  if (!row.has_flops() && !row.has_bytes()) return {};
  const auto named = [](const std::string& source) { return source.empty() ? "ABSENT" : source; };
  return named(row.time_source()) + " " + named(row.flops_source()) + " " +
         named(row.bytes_source());
}

std::vector<std::string> distinct_sources(const Report& report) {
  std::vector<std::string> distinct;
  for (const RowTotal& row : report.rows()) {
    const std::string sources = sources_of(row);
    const bool is_new = std::find(distinct.begin(), distinct.end(), sources) == distinct.end();
    if (is_new && !sources.empty()) distinct.push_back(sources);
  }
  return distinct;
}

bool has_times(const Report& report) {
  return report.rows().empty() || std::any_of(report.rows().begin(), report.rows().end(),
                                              [](const RowTotal& row) { return row.time_s() > 0; });
}

}  // namespace rooftop
