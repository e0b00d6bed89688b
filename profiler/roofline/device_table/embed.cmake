# cmake -DINPUT=... -DOUTPUT=... -P embed.cmake: writes the table as a C++ string (C++20 has no #embed).
file(READ ${INPUT} text)
file(WRITE ${OUTPUT} "// Made from devices.textproto by embed.cmake.
#include \"profiler/roofline/device_table/builtin.h\"

namespace rooftop {
const std::string_view kBuiltinDeviceTable = R\"ROOFTOP(${text})ROOFTOP\";
}  // namespace rooftop
")
