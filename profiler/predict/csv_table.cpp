#include "profiler/predict/csv_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <utility>

#include "profiler/core/error.h"

namespace rooftop::predict {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr double kLargest = 1e15;

std::vector<std::string> split(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  std::vector<std::string> cells;
  for (std::size_t comma = 0; comma != std::string_view::npos; line.remove_prefix(comma + 1)) {
    comma = line.find(',');
    cells.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) break;
  }
  return cells;
}

std::optional<double> parse(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

}  // namespace

const std::string& CsvRow::text(std::string_view column) const {
  return cells_[table_.column(column).value()];
}

void CsvRow::fail(std::string_view column, std::string_view wanted) const {
  throw InputError(fmt::format("{}:{}: {} is '{}', which is not {}", table_.path(), line_, column,
                               text(column).substr(0, 40), wanted));
}

double CsvRow::number(std::string_view column, double low, double high) const {
  const auto value = parse(text(column));
  if (!value || *value < low || *value > high) {
    fail(column, fmt::format("a number from {:g} to {:g}", low, high));
  }
  return *value;
}

std::optional<double> CsvRow::optional_number(std::string_view column) const {
  const auto index = table_.column(column);
  if (!index || cells_[*index].empty()) return std::nullopt;
  return number(column, 1e-3, kLargest);
}

CsvTable::CsvTable(const std::string& path) : path_(path) {
  std::ifstream in(path, std::ios::binary);
  std::string line;
  std::size_t number = 0;
  std::size_t bytes = 0;
  while (std::getline(in, line)) {
    ++number;
    bytes += line.size() + 1;
    if (bytes > kMostBytes) {
      throw InputError(fmt::format("{}: the table is over 64 MiB: give a part of it", path));
    }
    if (line.empty() || line == "\r") continue;
    std::vector<std::string> cells = split(line);
    if (header_.empty()) {
      header_ = std::move(cells);
      continue;
    }
    if (cells.size() != header_.size()) {
      throw InputError(fmt::format("{}:{}: the row has {} cells, the header {}", path, number,
                                   cells.size(), header_.size()));
    }
    rows_.emplace_back(*this, std::move(cells), number);
  }
  if (rows_.empty()) throw InputError(path + ": the table has no rows");
}

bool CsvTable::has(std::span<const std::string_view> columns) const {
  return std::ranges::all_of(columns,
                             [&](std::string_view name) { return column(name).has_value(); });
}

std::optional<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::ranges::find(header_, name);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

}  // namespace rooftop::predict
