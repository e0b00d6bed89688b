#include "profiler/roofline/report_json.h"

#include <fmt/core.h>
#include <google/protobuf/util/json_util.h>

#include "profiler/core/error.h"

namespace rooftop {

namespace json = google::protobuf::util;

std::string report_json(const Report& report) {
  json::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = json::MessageToJsonString(report, &text, options);
  if (!status.ok()) {
    throw InputError(fmt::format("The report cannot be written as JSON: {}.", status.ToString()));
  }
  return text;
}

Report report_from_json(const std::string& text, const std::string& name) {
  json::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of a newer version
  Report report;
  const auto status = json::JsonStringToMessage(text, &report, options);
  if (!status.ok()) {
    throw InputError(
        fmt::format("{} is not a report.json of Rooftop: {}.", name, status.ToString()));
  }
  return report;
}

}  // namespace rooftop
