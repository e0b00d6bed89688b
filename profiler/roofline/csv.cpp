#include "profiler/roofline/csv.h"

#include <ostream>

#include "profiler/roofline/units.h"

namespace rooftop {

void CsvRow::separate() {
  if (!first_) out_ << ',';
  first_ = false;
}

CsvRow& CsvRow::text(std::string_view field) {
  separate();
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    out_ << field;
    return *this;
  }
  out_ << '"';
  for (const char c : field) {
    if (c == '"') out_ << '"';
    out_ << c;
  }
  out_ << '"';
  return *this;
}

CsvRow& CsvRow::integer(std::int64_t value) {
  separate();
  out_ << value;
  return *this;
}

CsvRow& CsvRow::number(double value) {
  separate();
  out_ << format_exact(value);
  return *this;
}

CsvRow& CsvRow::number(std::optional<double> value) { return value ? number(*value) : empty(); }

CsvRow& CsvRow::figure(const Figure& figure) {
  return figure.present() ? number(figure.value) : empty();
}

void CsvRow::end() { out_ << '\n'; }

}  // namespace rooftop
