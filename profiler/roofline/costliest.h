// The launches that took the longest, warm-up left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/operator.h"
#include "profiler/core/provenance.h"
#include "profiler/core/time.h"
#include "profiler/roofline/report_options.h"

namespace rooftop {

struct CostlyLaunch {
  Duration duration;
  std::string name;
  Operator op = Operator::kUnclassified;
  Phase phase = Phase::kUnknown;
  std::int32_t layer = -1;
  std::int64_t step = 0;  // as in kernels.csv; 0 outside any step
  Figure flops;           // model FLOPs
  Figure bytes;           // counted DRAM bytes, else the closed form's
};

// At most `count` of them over all traces, the longest first; in memory for `count` alone. The same
// traces and options as for build_report(). Throws InputError likewise.
std::vector<CostlyLaunch> costliest_launches(const std::vector<std::string>& paths,
                                             const ReportOptions& options, std::size_t count);

}  // namespace rooftop
