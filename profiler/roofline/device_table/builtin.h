// The text of devices.textproto, compiled in.
#pragma once

#include <string_view>

namespace rooftop {

extern const std::string_view kBuiltinDeviceTable;

}  // namespace rooftop
