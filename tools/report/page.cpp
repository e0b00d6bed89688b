#include "tools/report/page.h"

#include <string_view>
#include <utility>
#include <vector>

#include "tools/report/chart.h"
#include "tools/report/page_parts.h"
#include "tools/report/text.h"

// What CMake embeds (tools/report/CMakeLists.txt, cmake/EmbedResource.cmake).
#define ROOFTOP_RESOURCE(name)                                       \
  extern "C" const char rooftop_resource_##name[];                   \
  extern "C" const char rooftop_resource_##name##_end[];             \
  static std::string_view name() {                                   \
    return {rooftop_resource_##name, rooftop_resource_##name##_end}; \
  }
ROOFTOP_RESOURCE(template_html)
ROOFTOP_RESOURCE(atlas_html)
ROOFTOP_RESOURCE(atlas_js)
ROOFTOP_RESOURCE(page_css)
ROOFTOP_RESOURCE(format_js)
ROOFTOP_RESOURCE(chart_js)
ROOFTOP_RESOURCE(page_js)
ROOFTOP_RESOURCE(echarts_js)
ROOFTOP_RESOURCE(echarts_license)
ROOFTOP_RESOURCE(echarts_notice)
ROOFTOP_RESOURCE(d3_license)
#undef ROOFTOP_RESOURCE

namespace rooftop {
namespace {

// The template with each {{name}} replaced. What was put in is not looked at again, so that a
// model that is called "{{data}}" stays one.
std::string filled(std::string_view text, const PageValues& values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find("{{");
    const std::size_t close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) break;
    out += text.substr(0, open);
    const std::string_view name = text.substr(open + 2, close - open - 2);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    text.remove_prefix(close + 2);
  }
  return out.append(text);
}

std::string licences() {
  std::string text = "Apache ECharts\n\n";
  text.append(echarts_notice()).append("\n\n").append(echarts_license());
  text.append("\n\nd3.js, of which Apache ECharts contains parts\n\n").append(d3_license());
  return text;
}

}  // namespace

std::string filled_page(std::string_view page_template, PageValues values) {
  values.emplace_back("style", std::string(page_css()));
  values.emplace_back("licences", escape_html(licences()));
  values.emplace_back("echarts", std::string(echarts_js()));
  return filled(page_template, values);
}

std::string_view atlas_template() { return atlas_html(); }

std::string atlas_script() {
  return std::string(format_js()).append(chart_js()).append(atlas_js());
}

std::string render_page(const Report& report) {
  std::string script;
  script.append(format_js()).append(chart_js()).append(page_js());
  return filled_page(template_html(), {{"title", escape_html(clean_text(chart_title(report)))},
                                       {"data", page_data(report)},
                                       {"script", script}});
}

}  // namespace rooftop
