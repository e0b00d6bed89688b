#include "profiler/roofline/costliest.h"

#include <algorithm>

#include "profiler/roofline/launch_figures.h"
#include "profiler/roofline/launch_stream.h"
#include "profiler/roofline/report.h"

namespace rooftop {
namespace {

bool longer(const CostlyLaunch& a, const CostlyLaunch& b) { return a.duration > b.duration; }

CostlyLaunch describe(const Launch& launch, const Meta& meta, const StepTable& steps) {
  const Classification& c = launch.classification;
  const LaunchFigures figures = figures_of(launch, meta, steps);
  CostlyLaunch costly;
  costly.duration = launch.record.end - launch.record.begin;
  costly.name = launch.name;
  costly.op = c.op;
  costly.layer = c.layer;
  if (c.step) {
    costly.phase = steps.steps()[*c.step].phase;
    costly.step = static_cast<std::int64_t>(steps.steps()[*c.step].number);
  }
  costly.flops = figures.model_flops;
  costly.bytes = figures.dram_bytes();
  return costly;
}

}  // namespace

std::vector<CostlyLaunch> costliest_launches(const std::vector<std::string>& paths,
                                             const ReportOptions& options, std::size_t count) {
  std::vector<CostlyLaunch> heap;  // the shortest of those kept on top
  for (const std::string& path : expand_traces(paths)) {
    const TraceSurvey survey =
        survey_trace(path, options.rules, {.salvage = options.salvage, .model = options.model});
    const StepTable& steps = survey.steps;
    trace::Reader reader(path, {.salvage = options.salvage});
    stream_launches(reader, survey, [&](const Launch& launch) {
      const Classification& c = launch.classification;
      if (c.step && steps.steps()[*c.step].warmup) return;
      const Duration duration = launch.record.end - launch.record.begin;
      if (duration.ns == 0) return;  // counters were read on it by itself: no time is known
      if (heap.size() == count) {
        if (duration <= heap.front().duration) return;
        std::pop_heap(heap.begin(), heap.end(), longer);
        heap.pop_back();
      }
      heap.push_back(describe(launch, survey.meta, steps));
      std::push_heap(heap.begin(), heap.end(), longer);
    });
  }
  std::sort_heap(heap.begin(), heap.end(), longer);
  return heap;
}

}  // namespace rooftop
