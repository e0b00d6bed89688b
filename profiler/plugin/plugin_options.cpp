#include "profiler/plugin/plugin_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace rooftop::plugin {
namespace {

constexpr std::array<std::pair<std::string_view, Mode>, 6> kModes = {{
    {"auto", Mode::kAuto},
    {"timeline", Mode::kTimeline},
    {"sampling", Mode::kSampling},
    {"counters", Mode::kCounters},
    {"scopes", Mode::kScopes},
    {"cpu", Mode::kCpu},
}};

// Variables of Rooftop's that are not the plugin's own.
constexpr std::array<std::string_view, 6> kOthers = {
    "ROOFTOP_CUPTI",     "ROOFTOP_SAVE_ACTIVITY", "ROOFTOP_SAVE_COUNTERS",
    "ROOFTOP_CACHE_DIR", "ROOFTOP_FIELD_DATA",    "ROOFTOP_PROGRESS"};

Status wrong(std::string_view name, std::string_view value, std::string_view expected) {
  return Status::failed(std::string(name) + "=" + std::string(value) + " is not " +
                        std::string(expected));
}

Status take(std::string_view name, std::string_view value, Options& options) {
  if (name == "ROOFTOP_OUTPUT") {
    if (value.empty()) return wrong(name, value, "the name of a trace or of a folder");
    options.output = value;
  } else if (name == "ROOFTOP_MODE") {
    if (!parse_mode(value, options.mode))
      return wrong(name, value, "auto, timeline, sampling, counters, scopes or cpu");
  } else if (name == "ROOFTOP_OVERHEAD") {
    if (!parse_share(value, options.overhead_budget))
      return wrong(name, value, "a share such as 1%, above 0 and below 100%");
  } else if (name == "ROOFTOP_MAX_SIZE") {
    if (!parse_size(value, options.max_bytes))
      return wrong(name, value, "a size such as 500M or 2G (0: no limit)");
  } else if (name == "ROOFTOP_MAX_STEPS") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), options.max_steps);
    if (error != std::errc() || end != value.data() + value.size())
      return wrong(name, value, "a number of steps (0: no limit)");
  } else if (name == "ROOFTOP_ALLOW_COMMUNICATION") {
    if (value != "0" && value != "1") return wrong(name, value, "0 or 1");
    options.allow_communication = value == "1";
  } else if (name == "ROOFTOP_QUIET") {
    if (value != "0" && value != "1") return wrong(name, value, "0 or 1");
    options.quiet = value == "1";
  } else if (std::find(kOthers.begin(), kOthers.end(), name) == kOthers.end()) {
    return Status::failed(std::string(name) +
                          " is no variable of Rooftop's: it reads ROOFTOP_OUTPUT, ROOFTOP_MODE, "
                          "ROOFTOP_OVERHEAD, ROOFTOP_MAX_SIZE, ROOFTOP_MAX_STEPS, "
                          "ROOFTOP_ALLOW_COMMUNICATION and ROOFTOP_QUIET");
  }
  return {};
}

// The whole of `text` as a number that is not negative.
bool parse_number(std::string_view text, double& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 &&
         value <= std::numeric_limits<double>::max();
}

}  // namespace

bool parse_mode(std::string_view text, Mode& mode) noexcept {
  const auto* known =
      std::find_if(kModes.begin(), kModes.end(), [&](const auto& m) { return m.first == text; });
  if (known == kModes.end()) return false;
  mode = known->second;
  return true;
}

bool parse_share(std::string_view text, double& share) noexcept {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  double value = 0;
  if (!parse_number(text, value)) return false;
  if (percent) value /= 100;
  if (value <= 0 || value >= 1) return false;
  share = value;
  return true;
}

bool parse_size(std::string_view text, std::uint64_t& bytes) noexcept {
  double unit = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K':
        unit = 1e3;
        break;
      case 'M':
        unit = 1e6;
        break;
      case 'G':
        unit = 1e9;
        break;
      case 'T':
        unit = 1e12;
        break;
      default:
        break;
    }
  }
  if (unit > 1) text.remove_suffix(1);
  double value = 0;
  if (!parse_number(text, value) || value * unit > 1e18) return false;
  bytes = static_cast<std::uint64_t>(value * unit);
  return true;
}

Status read_options(const char* const* environment, Options& options) {
  constexpr std::string_view kPrefix = "ROOFTOP_";
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::size_t equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    Status taken = take(entry.substr(0, equals), entry.substr(equals + 1), options);
    if (!taken.ok()) return taken;
  }
  return {};
}

}  // namespace rooftop::plugin
