#include "tools/report/table_grid.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "tools/report/text.h"

namespace rooftop {

std::string Paint::wrap(std::string_view code, const std::string& text) const {
  if (!on_) return text;
  return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
}

std::string Paint::series(int index, const std::string& text) const {
  static constexpr std::array<std::string_view, 6> kCodes = {"38;5;32",  "38;5;208", "38;5;34",
                                                             "38;5;160", "38;5;98",  "38;5;137"};
  if (index < 0) return text;
  return wrap(kCodes[static_cast<std::size_t>(index)], text);
}

int Grid::width_of(const Column& column) {
  int width = display_width(column.head);
  for (const std::string& cell : column.cells) width = std::max(width, display_width(cell));
  return width;
}

int Grid::width() const {
  return std::accumulate(columns_.begin(), columns_.end(),
                         gap_ * (static_cast<int>(columns_.size()) - 1),
                         [](int sum, const Column& c) { return sum + width_of(c); });
}

void Grid::squeeze(int width, bool unicode) {
  // Long names give way before columns do.
  constexpr int kNameColumns = 20;
  for (std::string& cell : columns_.front().cells) cell = fit_text(cell, kNameColumns, unicode);
  while (columns_.size() > 2 && this->width() > width) {
    columns_.erase(std::min_element(
        columns_.begin() + 1, columns_.end(),
        [](const Column& a, const Column& b) { return a.importance < b.importance; }));
  }
  Column& first = columns_.front();
  const int room = std::max(8, width - (this->width() - width_of(first)));
  for (std::string& cell : first.cells) cell = fit_text(cell, room, unicode);
}

std::string Grid::padded(const Column& column, const std::string& cell, bool last) {
  const std::string space(static_cast<std::size_t>(width_of(column) - display_width(cell)), ' ');
  if (column.right) return space + cell;
  return last ? cell : cell + space;
}

std::string Grid::head() const {
  std::string line;
  for (const Column& column : columns_) {
    const bool last = &column == &columns_.back();
    if (&column != &columns_.front()) line.append(static_cast<std::size_t>(gap_), ' ');
    line += padded(column, column.head, last);
  }
  return line;
}

std::string Grid::rest(std::size_t i) const {
  std::string line;
  for (std::size_t c = 1; c < columns_.size(); ++c) {
    line.append(static_cast<std::size_t>(gap_), ' ');
    line += padded(columns_[c], columns_[c].cells[i], c + 1 == columns_.size());
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace rooftop
