// A trace's launches, one at a time in order of begin, each joined with its scope and its counters.
// Memory is bounded, whatever the size of the trace: launches wait in a window of fixed size while
// the records that belong to them arrive.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "profiler/classify/inferred_classifier.h"
#include "profiler/classify/kernel_rules.h"
#include "profiler/classify/scope_classifier.h"
#include "profiler/classify/step_table.h"
#include "profiler/core/meta.h"
#include "profiler/core/records.h"
#include "profiler/join/sample_split.h"
#include "profiler/model/cost.h"
#include "profiler/roofline/counters.h"
#include "profiler/trace/reader.h"

namespace rooftop {

// A kernel, or a copy made to look like one (its operator is memcpy, and it has no grid).
struct Launch {
  KernelRecord record;
  std::string_view name;  // valid during the call
  Classification classification;
  LaunchCounters counters;
  std::optional<Traffic> copied;  // of a copy: device memory read and written
  bool is_copy = false;
  bool memset = false;
  bool inferred = false;  // no scope of ours names it
};

struct LaunchStreamStats {
  std::uint64_t rejected = 0;  // ended before they began
  // Counters whose launch was never seen, or only after they had left the window.
  std::uint64_t unmatched_counters = 0;
  std::uint64_t dropped_records = 0;       // as the trace says: lost during the run
  join::SampleSplit::Totals sampled_dram;  // bytes, and those of moments at which nothing ran
};

// Reads the whole trace, calling `sink` once for each launch. The order is exact where no launch
// stands more than a window of launches behind one that began later. `steps` comes from an earlier
// reading of the same trace.
LaunchStreamStats stream_launches(trace::Reader& reader, const StepTable& steps,
                                  const std::function<void(const Launch&)>& sink);

// The steps of a trace: the reading that comes first.
StepTable read_steps(trace::Reader& reader);

// What is known of a trace before its launches are passed on: its steps, and, for launches that no
// scope of ours names, what was inferred from their names, ranges, shapes and order.
struct TraceSurvey {
  Meta meta;  // with the model's shape and types where they were inferred, and notes about it
  StepTable steps;
  InferredClassifier inferred;
  bool steps_inferred = false;
};

struct SurveyOptions {
  bool salvage = false;
  std::optional<ModelShape> model;  // of a recording that does not name its own
};

// Reads the file once, or twice where something has to be inferred. Throws InputError.
TraceSurvey survey_trace(const std::string& path, const KernelRules& rules,
                         const SurveyOptions& options);

// stream_launches() with what a survey of the same trace inferred.
LaunchStreamStats stream_launches(trace::Reader& reader, const TraceSurvey& survey,
                                  const std::function<void(const Launch&)>& sink);

}  // namespace rooftop
