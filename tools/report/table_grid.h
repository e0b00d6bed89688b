// Lays out cells in aligned columns: what the tables of a terminal report have in common.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/report/table.h"

namespace rooftop {

// ANSI styles, or nothing where colours are off.
class Paint {
 public:
  explicit Paint(bool on) : on_(on) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return wrap("1", text); }
  [[nodiscard]] std::string dim(const std::string& text) const { return wrap("2", text); }
  [[nodiscard]] std::string warn(const std::string& text) const { return wrap("33", text); }
  // In the colour that the charts give a series (nearest of the 256); plain for index -1.
  [[nodiscard]] std::string series(int index, const std::string& text) const;

 private:
  [[nodiscard]] std::string wrap(std::string_view code, const std::string& text) const;
  bool on_;
};

struct Column {
  std::string head;
  bool right = true;   // right-aligned
  int importance = 0;  // the least important columns are left out where the terminal is narrow
  std::vector<std::string> cells;
};

// Columns of equal length, as lines: the head first, then one line a row. Widths are those of the
// widest cell.
class Grid {
 public:
  Grid(std::vector<Column> columns, int gap) : columns_(std::move(columns)), gap_(gap) {}

  [[nodiscard]] int width() const;
  // Shortens the first column's cells, then leaves out columns, least important first, until
  // `width` is kept.
  void squeeze(int width, bool unicode);

  [[nodiscard]] std::string head() const;
  // Row `i`; its first cell goes through `paint_first`, the others are left as they are.
  template <typename PaintFirst>
  [[nodiscard]] std::string row(std::size_t i, PaintFirst&& paint_first) const {
    return paint_first(padded(columns_.front(), columns_.front().cells[i], columns_.size() == 1)) +
           rest(i);
  }

 private:
  [[nodiscard]] static int width_of(const Column& column);
  [[nodiscard]] static std::string padded(const Column& column, const std::string& cell, bool last);
  [[nodiscard]] std::string rest(std::size_t i) const;

  std::vector<Column> columns_;
  int gap_;
};

}  // namespace rooftop
