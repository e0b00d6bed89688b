#include "profiler/capture/cupti/metric_host.h"

#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {

Status known_chips(const CuptiApi& api, std::vector<std::string>& chips) {
  CUpti_Profiler_Host_GetSupportedChips_Params params{};
  params.structSize = CUpti_Profiler_Host_GetSupportedChips_Params_STRUCT_SIZE;
  if (const CUptiResult code = api.cuptiProfilerHostGetSupportedChips(&params);
      code != CUPTI_SUCCESS)
    return refused(api, code, "cuptiProfilerHostGetSupportedChips");
  chips.assign(params.ppChipNames, params.ppChipNames + params.numChips);
  return {};
}

MetricHost::~MetricHost() {
  if (object_ == nullptr) return;
  CUpti_Profiler_Host_Deinitialize_Params params{};
  params.structSize = CUpti_Profiler_Host_Deinitialize_Params_STRUCT_SIZE;
  params.pHostObject = object_;
  api_.cuptiProfilerHostDeinitialize(&params);
}

Status MetricHost::open(CUpti_ProfilerType type, const std::string& chip,
                        std::span<const std::uint8_t> availability) {
  chip_ = chip;
  availability_.assign(availability.begin(), availability.end());
  CUpti_Profiler_Host_Initialize_Params params{};
  params.structSize = CUpti_Profiler_Host_Initialize_Params_STRUCT_SIZE;
  params.profilerType = type;
  params.pChipName = chip_.c_str();
  params.pCounterAvailabilityImage = availability_.empty() ? nullptr : availability_.data();
  if (const CUptiResult code = api_.cuptiProfilerHostInitialize(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostInitialize");
  object_ = params.pHostObject;
  return {};
}

Status MetricHost::base_metrics(std::vector<std::string>& names) const {
  CUpti_Profiler_Host_GetBaseMetrics_Params params{};
  params.structSize = CUpti_Profiler_Host_GetBaseMetrics_Params_STRUCT_SIZE;
  params.pHostObject = object_;
  params.metricType = CUPTI_METRIC_TYPE_COUNTER;
  if (const CUptiResult code = api_.cuptiProfilerHostGetBaseMetrics(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostGetBaseMetrics");
  names.assign(params.ppMetricNames, params.ppMetricNames + params.numMetrics);
  return {};
}

Status MetricHost::schedule(std::vector<std::string> metrics) {
  metrics_ = std::move(metrics);
  names_.clear();
  for (const std::string& metric : metrics_) names_.push_back(metric.c_str());

  CUpti_Profiler_Host_ConfigAddMetrics_Params add{};
  add.structSize = CUpti_Profiler_Host_ConfigAddMetrics_Params_STRUCT_SIZE;
  add.pHostObject = object_;
  add.ppMetricNames = names_.data();
  add.numMetrics = names_.size();
  if (const CUptiResult code = api_.cuptiProfilerHostConfigAddMetrics(&add); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostConfigAddMetrics");

  CUpti_Profiler_Host_GetConfigImageSize_Params size{};
  size.structSize = CUpti_Profiler_Host_GetConfigImageSize_Params_STRUCT_SIZE;
  size.pHostObject = object_;
  if (const CUptiResult code = api_.cuptiProfilerHostGetConfigImageSize(&size);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostGetConfigImageSize");

  configuration_.resize(size.configImageSize);
  CUpti_Profiler_Host_GetConfigImage_Params image{};
  image.structSize = CUpti_Profiler_Host_GetConfigImage_Params_STRUCT_SIZE;
  image.pHostObject = object_;
  image.configImageSize = configuration_.size();
  image.pConfigImage = configuration_.data();
  if (const CUptiResult code = api_.cuptiProfilerHostGetConfigImage(&image); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostGetConfigImage");

  CUpti_Profiler_Host_GetNumOfPasses_Params passes{};
  passes.structSize = CUpti_Profiler_Host_GetNumOfPasses_Params_STRUCT_SIZE;
  passes.configImageSize = configuration_.size();
  passes.pConfigImage = configuration_.data();
  if (const CUptiResult code = api_.cuptiProfilerHostGetNumOfPasses(&passes); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostGetNumOfPasses");
  passes_ = passes.numOfPasses;
  return {};
}

Status MetricHost::evaluate(std::span<const std::uint8_t> counters, std::size_t range,
                            std::span<double> values) const {
  if (values.size() != metrics_.size())
    return Status::failed("counters: one value per metric is needed");
  CUpti_Profiler_Host_EvaluateToGpuValues_Params params{};
  params.structSize = CUpti_Profiler_Host_EvaluateToGpuValues_Params_STRUCT_SIZE;
  params.pHostObject = object_;
  params.pCounterDataImage = counters.data();
  params.counterDataImageSize = counters.size();
  params.rangeIndex = range;
  params.ppMetricNames = names_.data();
  params.numMetrics = names_.size();
  params.pMetricValues = values.data();
  if (const CUptiResult code = api_.cuptiProfilerHostEvaluateToGpuValues(&params);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiProfilerHostEvaluateToGpuValues");
  return {};
}

}  // namespace rooftop::capture
