// What the pages are made of: embedded files and placeholders. Inside this library only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rooftop {

using PageValues = std::vector<std::pair<std::string_view, std::string>>;

// The template with each {{name}} replaced; style, licences and ECharts are added to `values`.
std::string filled_page(std::string_view page_template, PageValues values);

std::string_view atlas_template();
// format.js, chart.js and the atlas's own.
std::string atlas_script();

// ASCII JSON where <, > and & stand as \u escapes: no name can end the script element that holds
// it.
std::string script_json(const nlohmann::ordered_json& json);

}  // namespace rooftop
