// The range profiler in every form that CUPTI offers, to find out which one to build on: how ranges
// are cut, how they are replayed, what that costs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiler/capture/cupti/metric_host.h"

namespace rooftop::capture::testing {

struct RangeForm {
  std::string name;
  CUpti_ProfilerRange range = CUPTI_AutoRange;  // of each kernel, or pushed and popped by us
  CUpti_ProfilerReplayMode replay = CUPTI_KernelReplay;
};

struct RangeTrial {
  std::string error;           // empty: everything below is there
  std::size_t passes = 0;      // that the configuration needs
  bool all_submitted = false;  // after one run
  double step_s = 0;           // of a step while counting
  double start_s = 0;          // of cuptiRangeProfilerStart
  double stop_s = 0;
  double decode_s = 0;
  double evaluate_s = 0;  // of one range
  std::size_t dropped = 0;
  std::vector<std::string> metrics;
  std::vector<std::vector<double>> ranges;  // values as metrics are
};

// Makes the context current of this thread count `steps` calls of `step`, which gets functions to
// open and close a range (nothing in CUPTI_AutoRange) and must wait for its work.
using RangeStep =
    std::function<void(const std::function<void()>& push, const std::function<void()>& pop)>;
RangeTrial try_ranges(const CuptiApi& api, const std::string& chip,
                      const std::vector<std::string>& metrics, const RangeForm& form,
                      std::size_t most_ranges, int steps, const RangeStep& step);

// "GH100", ...; ProfilerInitialize comes first. Empty, and why, where that fails.
std::string chip_of_device(const CuptiApi& api, std::string& error);

}  // namespace rooftop::capture::testing
