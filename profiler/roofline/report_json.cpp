#include "profiler/roofline/report_json.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <memory>

#include "profiler/core/error.h"

namespace rooftop {

namespace json = google::protobuf::util;

std::string report_json(const Report& report) {
  json::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  // Maps are written in the order of their serialised form, which is only stable when asked for.
  std::string binary;
  {
    google::protobuf::io::StringOutputStream bytes(&binary);
    google::protobuf::io::CodedOutputStream out(&bytes);
    out.SetSerializationDeterministic(true);
    report.SerializeToCodedStream(&out);
  }
  constexpr char kUrlPrefix[] = "type.googleapis.com";
  const std::unique_ptr<json::TypeResolver> types(json::NewTypeResolverForDescriptorPool(
      kUrlPrefix, google::protobuf::DescriptorPool::generated_pool()));
  std::string text;
  const auto status = json::BinaryToJsonString(
      types.get(), kUrlPrefix + ("/" + report.GetTypeName()), binary, &text, options);
  if (!status.ok()) {
    throw InputError(fmt::format("The report cannot be written as JSON: {}.", status.ToString()));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
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
