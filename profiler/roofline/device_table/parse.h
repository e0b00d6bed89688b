// From text to checked devices.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/roofline/device_table/device_table.h"

namespace rooftop {

// Lower case, without a leading "nvidia", with '-' for every run of spaces, '_' and '-': names that
// are the same to DeviceTable::find have the same key.
std::string device_key(std::string_view name);

// "fp32" -> "f32", "fp16" -> "f16", in lower case; other names stay.
std::string canonical_dtype(std::string_view dtype);

// Far above any real table; longer text is refused.
inline constexpr std::size_t kMaxDeviceTableBytes = std::size_t{4} << 20;

// The devices of a table in protobuf text format, complete and consistent among themselves. Throws
// InputError that begins with "NAME:LINE: ".
struct ParsedDevice {
  DeviceSpec spec;
  int line = 0;  // of its block in the text, from 1
};
std::vector<ParsedDevice> parse_device_table(std::string_view text, const std::string& name);

}  // namespace rooftop
