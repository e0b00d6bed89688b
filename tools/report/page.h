// The report as one self-contained HTML page.
#pragma once

#include <string>

#include "rooftop/report.pb.h"

namespace rooftop {

// The data that the page's script draws, as JSON. Pure ASCII without '<', '>' and '&', so that it
// can stand in a script element whatever the report's names hold.
std::string page_data(const Report& report);

// The whole page: markup, style, script, Apache ECharts with its licence, and the data. It loads
// nothing and links only to its neighbours in the folder (points.csv, roofline.svg, ...).
std::string render_page(const Report& report);

}  // namespace rooftop
