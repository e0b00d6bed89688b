// Comma-separated values as RFC 4180 has them (lines end with LF). Numbers are the shortest text
// that reads back as the same double; an absent figure is an empty field.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string_view>

#include "profiler/core/provenance.h"

namespace rooftop {

class CsvRow {
 public:
  explicit CsvRow(std::ostream& out) : out_(out) {}

  CsvRow& text(std::string_view field);  // quoted where it must be
  CsvRow& integer(std::int64_t value);
  CsvRow& number(double value);
  CsvRow& number(std::optional<double> value);
  CsvRow& figure(const Figure& figure);
  CsvRow& empty() { return text({}); }
  void end();

 private:
  void separate();

  std::ostream& out_;
  bool first_ = true;
};

}  // namespace rooftop
