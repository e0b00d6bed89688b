// A small table of comma-separated values with a header line, whole in memory. No quoting: the
// tables that are read hold names and numbers.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rooftop::predict {

class CsvTable;

class CsvRow {
 public:
  CsvRow(const CsvTable& table, std::vector<std::string> cells, std::size_t line)
      : table_(table), cells_(std::move(cells)), line_(line) {}

  [[nodiscard]] const std::string& text(std::string_view column) const;
  // Throws InputError, with file and line, where it is not a number from `low` to `high`.
  [[nodiscard]] double number(std::string_view column, double low, double high) const;
  // None where the column or the cell is missing; a positive number else.
  [[nodiscard]] std::optional<double> optional_number(std::string_view column) const;
  [[noreturn]] void fail(std::string_view column, std::string_view wanted) const;

 private:
  const CsvTable& table_;
  std::vector<std::string> cells_;
  std::size_t line_;
};

class CsvTable {
 public:
  // Throws InputError for a file that cannot be read, is over 64 MiB, or has rows of other length
  // than its header.
  explicit CsvTable(const std::string& path);
  CsvTable(const CsvTable&) = delete;
  CsvTable& operator=(const CsvTable&) = delete;

  [[nodiscard]] bool has(std::span<const std::string_view> columns) const;
  [[nodiscard]] std::optional<std::size_t> column(std::string_view name) const;
  [[nodiscard]] const std::vector<CsvRow>& rows() const { return rows_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> header_;
  std::vector<CsvRow> rows_;
};

}  // namespace rooftop::predict
