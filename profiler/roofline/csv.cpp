#include "profiler/roofline/csv.h"

#include <fmt/format.h>

#include <iterator>
#include <ostream>

namespace rooftop {

void CsvWriter::separate() {
  if (!first_) row_ += ',';
  first_ = false;
}

CsvWriter& CsvWriter::text(std::string_view field) {
  separate();
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    row_ += field;
    return *this;
  }
  row_ += '"';
  for (const char c : field) {
    if (c == '"') row_ += '"';
    row_ += c;
  }
  row_ += '"';
  return *this;
}

CsvWriter& CsvWriter::integer(std::int64_t value) {
  separate();
  fmt::format_to(std::back_inserter(row_), "{}", value);
  return *this;
}

CsvWriter& CsvWriter::number(double value) {
  separate();
  fmt::format_to(std::back_inserter(row_), "{}", value);
  return *this;
}

CsvWriter& CsvWriter::number(std::optional<double> value) {
  return value ? number(*value) : empty();
}

CsvWriter& CsvWriter::figure(const Figure& figure) {
  return figure.present() ? number(figure.value) : empty();
}

void CsvWriter::end() {
  row_ += '\n';
  out_.write(row_.data(), static_cast<std::streamsize>(row_.size()));
  row_.clear();
  first_ = true;
}

}  // namespace rooftop
