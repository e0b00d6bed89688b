// The parts of the terminal report around the table: what was run above it, and below it whatever
// a reader needs to trust or to follow up the figures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rooftop/report.pb.h"
#include "tools/report/table.h"
#include "tools/report/table_grid.h"

namespace rooftop {

// "b=4 L=512", with "q=16" where the query tokens per sequence do not follow from phase and length.
std::string cell_text(std::string_view phase, unsigned batch, unsigned query_tokens,
                      unsigned length);

// One paragraph a run, up to three runs: model, weights, device, type, attention, steps, time.
std::vector<std::string> facts_lines(const Report& report, const TableOptions& options);

// Roofs, sources, counters, overhead, overlap, drops, notes, skipped cells and findings, each with
// its label. `ratios_shown`: the table has the columns that only counters fill, so that they are
// explained; else they are listed here.
std::vector<std::string> footer_lines(const Report& report, const TableOptions& options,
                                      bool ratios_shown);

// For a series with several cells: how far below the roof the worst, the middle and the best cell
// are, and which these are. Empty where no series has several.
std::vector<std::string> cell_lines(const Report& report, const TableOptions& options);

// The short form of a provenance in the column of sources: 'M', 'C', ...; '-' where there is none.
char source_letter(std::string_view source);

}  // namespace rooftop
