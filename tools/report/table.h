// The report as text for a terminal.
#pragma once

#include <string>

#include "rooftop/report.pb.h"

namespace rooftop {

struct TableOptions {
  bool colour = false;  // ANSI colours; the caller honours NO_COLOR and non-terminals
  int width = 80;       // columns of the terminal; below 40 counts as 40
  bool unicode = true;  // false: ASCII only
};

// What was run, the table (the six series, the named rows, unclassified, idle, and a total of
// 100 %), the spread over cells where a series has several, and below it roofs, sources, overhead,
// drops, notes, skipped cells and findings. Ends with a newline; no line is wider than `width`.
// Text of the report is cleaned: it cannot send control sequences to the terminal.
std::string render_table(const Report& report, const TableOptions& options);

}  // namespace rooftop
