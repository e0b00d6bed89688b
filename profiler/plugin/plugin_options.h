// What the environment asks of the plugin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "profiler/core/error.h"

namespace rooftop::plugin {

enum class Mode : std::uint8_t {
  kAuto,      // the timeline and, where they can be had, samples of the device's counters
  kTimeline,  // every kernel with its time
  kSampling,  // as kAuto, but without samples says so
  kCounters,  // hardware counters of every kernel, without times
  kScopes,    // the host's ranges alone
  kCpu,       // instrumented operators are themselves the launches: an engine that runs on the CPU
};

struct Options {
  std::string output = "rooftop-%p.rtrace";
  Mode mode = Mode::kAuto;
  double overhead_budget = 0;                // share of the run's time; 0: no limit
  std::uint64_t max_bytes = 10'000'000'000;  // of the trace; 0: no limit
  std::uint64_t max_steps = 200;             // counted in kCounters, which slows them; 0: no limit
  bool allow_communication = false;          // counters although kernels may wait for each other
  bool quiet = false;
};

// `environment` as environ: "NAME=value" up to a null. A wrong value, or a variable that begins
// with ROOFTOP_ and is none of Rooftop's, is refused with one sentence.
Status read_options(const char* const* environment, Options& options);

// "timeline" and so on; false for no mode's name.
bool parse_mode(std::string_view text, Mode& mode) noexcept;
// "1%" or "0.01".
bool parse_share(std::string_view text, double& share) noexcept;
// "500M", "2G", "1000000": bytes, powers of 1000.
bool parse_size(std::string_view text, std::uint64_t& bytes) noexcept;

}  // namespace rooftop::plugin
