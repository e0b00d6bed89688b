// report.json: the Report message as protobuf JSON, with the field names of report.proto. Fields
// without presence are always there, absent figures never; 64-bit counts are strings, as protobuf
// JSON has them. No newline at the end.
#pragma once

#include <string>

#include "rooftop/report.pb.h"

namespace rooftop {

std::string report_json(const Report& report);

// Throws InputError with `name` where the text is no such document.
Report report_from_json(const std::string& text, const std::string& name);

}  // namespace rooftop
