#include "tools/report/table.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "tools/report/chart.h"
#include "tools/report/rows.h"
#include "tools/report/table_grid.h"
#include "tools/report/table_parts.h"
#include "tools/report/text.h"
#include "tools/report/units.h"

namespace rooftop {
namespace {

// How roomy the columns are; the first style that fits the terminal is taken.
struct Style {
  bool full_units;  // "1.61 GFLOP" and "82.0 %" instead of "1.61G" and "82.0%"
  bool bar;         // a bar of each row's share
  int gap;
};
constexpr Style kStyles[] = {
    {true, true, 2}, {true, false, 2}, {false, false, 2}, {false, false, 1}};

constexpr int kBarColumns = 10;

// `share` of kBarColumns, in eighths of a character.
std::string bar(double share, bool unicode) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double columns = std::clamp(share, 0.0, 1.0) * kBarColumns;
  if (!unicode) return std::string(static_cast<std::size_t>(std::lround(columns)), '#');
  const long eighths = std::lround(columns * 8);
  std::string text;
  for (long i = 0; i < eighths / 8; ++i) text += "█";
  return text + kEighths[eighths % 8];
}

// Narrow columns do without the space before a unit.
std::vector<Column> without_spaces(std::vector<Column> columns) {
  for (std::size_t c = 1; c < columns.size(); ++c) {
    for (std::string& cell : columns[c].cells) std::erase(cell, ' ');
  }
  return columns;
}

std::string unit_of(const Style& style, const char* unit) { return style.full_units ? unit : ""; }

std::string optional_cell(bool present, double value, const std::string& unit) {
  return present ? human_number(value, unit) : "";
}

// A total that misses a row's figure is a lower bound, and says so.
std::string sum_cell(const PartialSum& sum, const std::string& unit, bool unicode) {
  if (!sum.value) return "";
  return (sum.complete ? "" : unicode ? "≥" : ">=") + human_number(*sum.value, unit);
}

std::string share_cell(double share) {
  return std::abs(share - 1) < 5e-5 ? "100 %" : human_percent(share);
}

std::string times_cell(bool present, double value, bool unicode) {
  return present ? human_ratio(value) + (unicode ? "×" : "x") : "";
}

bool blank(const Column& column) {
  return std::all_of(column.cells.begin(), column.cells.end(),
                     [](const std::string& cell) { return cell.empty(); });
}

std::string source_letters(const RowTotal& row) {
  if (sources_of(row).empty()) return "";
  return {source_letter(row.time_source()), source_letter(row.flops_source()),
          source_letter(row.bytes_source())};
}

// The last line: sums, and FLOP/s over all of the time.
void add_total(const Report& report, const Style& style, bool unicode, std::vector<Column>& out) {
  const Totals totals = totals_of(report);
  const bool rate = totals.flops.value && totals.time_s > 0;
  for (Column& column : out) {
    std::string cell;
    if (column.head == "Series") cell = "total";
    if (column.head == "time") cell = human_time(totals.time_s, unicode);
    if (column.head == "share") cell = share_cell(totals.share);
    if (column.head == "FLOPs") cell = sum_cell(totals.flops, unit_of(style, "FLOP"), unicode);
    if (column.head == "bytes") cell = sum_cell(totals.bytes, "B", unicode);
    if (column.head == "FLOP/s" && rate) {
      cell = sum_cell({*totals.flops.value / totals.time_s, totals.flops.complete},
                      unit_of(style, "FLOP/s"), unicode);
    }
    column.cells.push_back(std::move(cell));
  }
}

// What counters say beyond the figures themselves, where there were any.
std::vector<Column> counter_columns(const Report& report, bool unicode) {
  std::vector<Column> columns = {
      {"traffic", true, 0, {}}, {"padding", true, 0, {}}, {"tensor", true, 0, {}}};
  for (const RowTotal* row : ordered_rows(report)) {
    columns[0].cells.push_back(times_cell(row->has_amplification(), row->amplification(), unicode));
    columns[1].cells.push_back(times_cell(row->has_padding(), row->padding(), unicode));
    columns[2].cells.push_back(row->has_tensor_activity() ? human_percent(row->tensor_activity())
                                                          : "");
  }
  std::erase_if(columns, blank);
  return columns;
}

std::vector<Column> columns_of(const Report& report, const Style& style, bool unicode) {
  Column name{"Series", false, 99, {}}, time{"time", true, 9, {}}, share{"share", true, 10, {}},
      bars{"", false, 0, {}}, flops{"FLOPs", true, 4, {}}, bytes{"bytes", true, 3, {}},
      intensity{"FLOP/B", true, 5, {}}, rate{"FLOP/s", true, 7, {}},
      roof{style.full_units ? "of roof" : "roof", true, 8, {}}, bound{"bound", false, 2, {}},
      sources{"src", false, 1, {}};
  for (const RowTotal* row : ordered_rows(report)) {
    name.cells.push_back(clean_text(row->name(), unicode));
    time.cells.push_back(human_time(row->time_s(), unicode));
    share.cells.push_back(share_cell(row->share()));
    bars.cells.push_back(bar(row->share(), unicode));
    flops.cells.push_back(optional_cell(row->has_flops(), row->flops(), unit_of(style, "FLOP")));
    bytes.cells.push_back(optional_cell(row->has_bytes(), row->bytes(), "B"));
    intensity.cells.push_back(row->has_intensity() ? human_ratio(row->intensity()) : "");
    rate.cells.push_back(
        optional_cell(row->has_flops_per_s(), row->flops_per_s(), unit_of(style, "FLOP/s")));
    roof.cells.push_back(row->has_roof_fraction() ? human_percent(row->roof_fraction()) : "");
    bound.cells.push_back(clean_text(row->bound(), unicode));
    sources.cells.push_back(source_letters(*row));
  }
  std::vector<Column> columns = {std::move(name)};
  const auto add = [&](std::initializer_list<Column*> some) {
    for (Column* column : some) columns.push_back(std::move(*column));
  };
  const bool timed = has_times(report);
  if (timed) add({&time, &share});
  if (timed && style.bar) add({&bars});
  add({&flops, &bytes});
  for (Column& column : counter_columns(report, unicode)) columns.push_back(std::move(column));
  add({&intensity});
  if (timed) add({&rate});
  if (timed && !blank(roof)) add({&roof, &bound});
  // Sources that all rows share are said once, below the table.
  if (distinct_sources(report).size() > 1) columns.push_back(std::move(sources));
  add_total(report, style, unicode, columns);
  return style.full_units ? columns : without_spaces(std::move(columns));
}

Grid grid_for(const Report& report, const TableOptions& options) {
  for (const Style& style : kStyles) {
    Grid grid(columns_of(report, style, options.unicode), style.gap);
    if (grid.width() <= options.width) return grid;
  }
  Grid grid(columns_of(report, kStyles[std::size(kStyles) - 1], options.unicode), 1);
  grid.squeeze(options.width, options.unicode);
  return grid;
}

void append(std::string& out, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) out.append(line).append("\n");
}

std::string rows_table(const Report& report, const TableOptions& options) {
  const Paint paint(options.colour);
  const Grid grid = grid_for(report, options);
  std::string rule;
  for (int i = 0; i < grid.width(); ++i) rule += options.unicode ? "─" : "-";
  rule = paint.dim(rule) + "\n";

  std::string out = paint.bold(grid.head()) + "\n" + rule;
  std::size_t i = 0;
  for (const RowTotal* row : ordered_rows(report)) {
    const int series = series_index(row->series());
    out += grid.row(i++, [&](const std::string& cell) { return paint.series(series, cell); });
    out += "\n";
  }
  out += rule;
  return out + grid.row(i, [&](const std::string& cell) { return paint.bold(cell); }) + "\n";
}

}  // namespace

std::string render_table(const Report& report, const TableOptions& given) {
  TableOptions options = given;
  options.width = std::max(options.width, 40);
  std::string out;
  append(out, facts_lines(report, options));
  const std::string rows = rows_table(report, options);
  out += "\n" + rows;
  const std::vector<std::string> cells = cell_lines(report, options);
  if (!cells.empty()) {
    out += "\n";
    append(out, cells);
  }
  const bool ratios_shown = rows.find("traffic") != std::string::npos ||
                            rows.find("padding") != std::string::npos ||
                            rows.find("tensor") != std::string::npos;
  const std::vector<std::string> footer = footer_lines(report, options, ratios_shown);
  if (!footer.empty()) {
    out += "\n";
    append(out, footer);
  }
  return out;
}

}  // namespace rooftop
