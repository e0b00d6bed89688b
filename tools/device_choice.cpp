#include "tools/device_choice.h"

#include <fmt/format.h>

#include <charconv>

#include "profiler/core/error.h"

namespace rooftop::tools {

DeviceChoice parse_device(const std::string& text) {
  if (text == "cpu") return {};
  if (text == "cuda") return {.cuda = true};
  constexpr std::string_view prefix = "cuda:";
  if (text.starts_with(prefix)) {
    DeviceChoice choice{.cuda = true};
    const char* const begin = text.data() + prefix.size();
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(begin, end, choice.ordinal);
    if (error == std::errc{} && rest == end) return choice;
  }
  throw InputError(fmt::format("--device is cpu, cuda or cuda:N, not '{}'", text));
}

}  // namespace rooftop::tools
