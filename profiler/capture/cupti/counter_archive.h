// What a configuration read on a GPU, as a file: images as CUPTI filled them, with all that it
// takes to evaluate them again where there is no GPU, and the values that came out.
//
// Little-endian: "RTCNT001", u64 length and XXH3 of all that follows; then each part as u64 length
// and bytes, in the order of SavedCounters; a list is the number of its parts and then these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/capture/cupti/counter_plan.h"
#include "profiler/core/error.h"

namespace rooftop::capture {

struct SavedCounters {
  std::uint64_t cupti_version = 0;
  CounterKind kind = CounterKind::kRange;
  std::string chip;
  std::vector<std::string> metrics;
  std::vector<std::string> launches;  // names, in order; empty for samples
  std::vector<std::uint8_t> availability;
  std::vector<std::uint8_t> configuration;
  std::vector<std::uint8_t> counters;
  std::vector<double> values;  // of each range or sample, its metrics in order
};

// `path` must not exist.
Status save_counters(const SavedCounters& saved, const std::string& path);

// Throws InputError where the file is not whole.
SavedCounters load_counters(const std::string& path);

// The values again, from the images. CUPTI trusts images: only what load_counters() found whole,
// and in a process of its own.
Status evaluate_saved(const CuptiApi& api, const SavedCounters& saved, std::vector<double>& values);

}  // namespace rooftop::capture
