// The spread of a series over the cells of a sweep (or the bins of a run).
#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include "profiler/core/operator.h"
#include "tools/report/chart.h"
#include "tools/report/table_parts.h"
#include "tools/report/text.h"
#include "tools/report/units.h"

namespace rooftop {
namespace {

using Cells = std::vector<const Point*>;

// The cells of each series that have a place below the roof, worst first.
std::array<Cells, 6> cells_by_series(const Report& report) {
  std::array<Cells, 6> series;
  for (const Point& point : report.points()) {
    const int index = series_index(point.series());
    if (index >= 0 && point.has_roof_fraction()) {
      series[static_cast<std::size_t>(index)].push_back(&point);
    }
  }
  for (Cells& cells : series) {
    std::stable_sort(cells.begin(), cells.end(), [](const Point* a, const Point* b) {
      return a->roof_fraction() < b->roof_fraction();
    });
  }
  return series;
}

std::string where(const Point& point) {
  return cell_text(point.phase(), point.batch(), point.query_tokens(), point.length());
}

}  // namespace

std::string cell_text(std::string_view phase, unsigned batch, unsigned query_tokens,
                      unsigned length) {
  std::string text = "b=" + std::to_string(batch) + " L=" + std::to_string(length);
  const unsigned implied = phase == "init" ? length : 1;
  if (query_tokens != implied) text += " q=" + std::to_string(query_tokens);
  return text;
}

std::vector<std::string> cell_lines(const Report& report, const TableOptions& options) {
  const std::array<Cells, 6> series = cells_by_series(report);
  Column name{"Cells, % of roof", false, 99, {}}, count{"cells", true, 1, {}},
      low{"lowest", true, 9, {}}, low_at{"at", false, 5, {}}, middle{"median", true, 8, {}},
      high{"highest", true, 9, {}}, high_at{"at", false, 5, {}};
  std::vector<int> index;
  for (std::size_t s = 0; s < series.size(); ++s) {
    const Cells& cells = series[s];
    if (cells.size() < 2) continue;
    index.push_back(static_cast<int>(s));
    const auto fraction = [&](std::size_t i) { return human_percent(cells[i]->roof_fraction()); };
    name.cells.emplace_back(series_names()[s]);
    count.cells.push_back(std::to_string(cells.size()));
    low.cells.push_back(fraction(0));
    low_at.cells.push_back(where(*cells.front()));
    middle.cells.push_back(fraction(cells.size() / 2));
    high.cells.push_back(fraction(cells.size() - 1));
    high_at.cells.push_back(where(*cells.back()));
  }
  if (index.empty()) return {};
  Grid grid({name, count, low, low_at, middle, high, high_at}, 2);
  grid.squeeze(options.width, options.unicode);
  const Paint paint(options.colour);
  std::vector<std::string> lines = {paint.bold(grid.head())};
  for (std::size_t i = 0; i < index.size(); ++i) {
    lines.push_back(
        grid.row(i, [&](const std::string& cell) { return paint.series(index[i], cell); }));
  }
  for (const std::string& line :
       wrap_text("Totals above sum over all cells; points.csv has every cell.", options.width)) {
    lines.push_back(paint.dim(line));
  }
  return lines;
}

}  // namespace rooftop
