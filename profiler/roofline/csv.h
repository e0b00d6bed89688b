// Comma-separated values as RFC 4180 has them (lines end with LF). Numbers are the shortest text
// that reads back as the same double; an absent figure is an empty field.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "profiler/core/provenance.h"

namespace rooftop {

// One row after another: fields in order, then end().
class CsvWriter {
 public:
  explicit CsvWriter(std::ostream& out) : out_(out) {}

  CsvWriter& text(std::string_view field);  // quoted where it must be
  CsvWriter& integer(std::int64_t value);
  CsvWriter& number(double value);
  CsvWriter& number(std::optional<double> value);
  CsvWriter& figure(const Figure& figure);
  CsvWriter& empty() { return text({}); }
  void end();  // writes the row

 private:
  void separate();

  std::ostream& out_;
  std::string row_;
  bool first_ = true;
};

}  // namespace rooftop
