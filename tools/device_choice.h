// What --device means.
#pragma once

#include <cstdint>
#include <string>

namespace rooftop::tools {

struct DeviceChoice {
  bool cuda = false;
  std::uint32_t ordinal = 0;
};

// "cpu", "cuda" or "cuda:N"; throws InputError for anything else.
DeviceChoice parse_device(const std::string& text);

}  // namespace rooftop::tools
