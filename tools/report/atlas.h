// Several roofline charts on one page, with a picker, and what each shows per series.
#pragma once

#include <string>
#include <vector>

#include "rooftop/report.pb.h"

namespace rooftop {

// From the lowest to the highest point of a series.
struct SeriesRange {
  std::string series;
  std::size_t points = 0;
  double intensity_low = 0;  // FLOP/byte
  double intensity_high = 0;
  double rate_low = 0;  // FLOP/s
  double rate_high = 0;
  // What a reader finds in a published figure of the same chart, and a sentence on the difference.
  // Empty where there is none.
  std::string published;
  std::string verdict;
};

struct AtlasChart {
  std::string name;  // of its pictures' files, without extension
  Report report;
  std::vector<SeriesRange> ranges;
};

// The ranges of the six series over the predicted points; series without points are left out.
std::vector<SeriesRange> series_ranges(const Report& report);

// The whole page, self-contained as render_page()'s is. `lead` is the sentence under its title.
std::string render_atlas(const std::vector<AtlasChart>& charts, const std::string& title,
                         const std::string& lead);

}  // namespace rooftop
