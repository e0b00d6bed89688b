// What can be read off a figure of the Medusa paper, beside what our chart of it shows.
#pragma once

#include "tools/report/atlas.h"

namespace rooftop::tools {

// Fills in `published` and `verdict` of the ranges of Llama 13B on the A6000; leaves other charts
// alone.
void add_published(AtlasChart& chart);

}  // namespace rooftop::tools
