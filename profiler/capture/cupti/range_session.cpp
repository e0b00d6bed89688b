#include "profiler/capture/cupti/range_session.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <string_view>

#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {
namespace {

// Steps of so many launches that their image would take more are not counted.
constexpr std::size_t kLargestImage = std::size_t{1} << 30;
constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

// The number that a name is; kNowhere: none.
std::size_t number_of(std::string_view name) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : kNowhere;
}

}  // namespace

Status range_availability(const CuptiApi& api, CUcontext context,
                          std::vector<std::uint8_t>& image) {
  CUpti_Profiler_GetCounterAvailability_Params params{};
  params.structSize = CUpti_Profiler_GetCounterAvailability_Params_STRUCT_SIZE;
  params.ctx = context;
  CUptiResult code = api.cuptiProfilerGetCounterAvailability(&params);
  if (code == CUPTI_SUCCESS) {
    image.resize(params.counterAvailabilityImageSize);
    params.pCounterAvailabilityImage = image.data();
    code = api.cuptiProfilerGetCounterAvailability(&params);
  }
  if (code != CUPTI_SUCCESS) return refused(api, code, "cuptiProfilerGetCounterAvailability");
  image.resize(params.counterAvailabilityImageSize);
  return {};
}

RangeSession::~RangeSession() { (void)disable(); }

Status RangeSession::enable(CUcontext context) {
  CUpti_RangeProfiler_Enable_Params params{};
  params.structSize = CUpti_RangeProfiler_Enable_Params_STRUCT_SIZE;
  params.ctx = context;
  if (const CUptiResult code = api_.cuptiRangeProfilerEnable(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerEnable");
  object_ = params.pRangeProfilerObject;
  return {};
}

Status RangeSession::disable() {
  if (object_ == nullptr) return {};
  Status stopped = started_ ? stop() : Status();
  CUpti_RangeProfiler_Disable_Params params{};
  params.structSize = CUpti_RangeProfiler_Disable_Params_STRUCT_SIZE;
  params.pRangeProfilerObject = object_;
  object_ = nullptr;
  if (const CUptiResult code = api_.cuptiRangeProfilerDisable(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerDisable");
  return stopped;
}

Status RangeSession::make_image(const MetricHost& host, std::size_t max_ranges) {
  CUpti_RangeProfiler_GetCounterDataSize_Params size{};
  size.structSize = CUpti_RangeProfiler_GetCounterDataSize_Params_STRUCT_SIZE;
  size.pRangeProfilerObject = object_;
  size.pMetricNames = host.metric_names().data();
  size.numMetrics = host.metric_names().size();
  size.maxNumOfRanges = max_ranges;
  size.maxNumRangeTreeNodes = static_cast<std::uint32_t>(max_ranges);
  if (const CUptiResult code = api_.cuptiRangeProfilerGetCounterDataSize(&size);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerGetCounterDataSize");
  if (size.counterDataSize > kLargestImage) {
    return Status::failed("a step of " + std::to_string(max_ranges) +
                          " launches needs more than 1 GiB to be counted: count fewer layers");
  }
  counters_.resize(size.counterDataSize);
  CUpti_RangeProfiler_CounterDataImage_Initialize_Params image{};
  image.structSize = CUpti_RangeProfiler_CounterDataImage_Initialize_Params_STRUCT_SIZE;
  image.pRangeProfilerObject = object_;
  image.counterDataSize = counters_.size();
  image.pCounterData = counters_.data();
  if (const CUptiResult code = api_.cuptiRangeProfilerCounterDataImageInitialize(&image);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerCounterDataImageInitialize");
  return {};
}

Status RangeSession::start(const MetricHost& host, std::size_t max_ranges) {
  if (Status made = make_image(host, max_ranges); !made.ok()) return made;
  CUpti_RangeProfiler_SetConfig_Params config{};
  config.structSize = CUpti_RangeProfiler_SetConfig_Params_STRUCT_SIZE;
  config.pRangeProfilerObject = object_;
  config.configSize = host.configuration().size();
  config.pConfig = host.configuration().data();
  config.counterDataImageSize = counters_.size();
  config.pCounterDataImage = counters_.data();
  config.range = CUPTI_AutoRange;
  config.replayMode = CUPTI_KernelReplay;  // with one pass each kernel still runs once
  config.maxRangesPerPass = max_ranges;
  config.numNestingLevels = 1;
  config.minNestingLevel = 1;
  config.passIndex = 0;
  config.targetNestingLevel = 0;
  if (const CUptiResult code = api_.cuptiRangeProfilerSetConfig(&config); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerSetConfig");
  CUpti_RangeProfiler_Start_Params start{};
  start.structSize = CUpti_RangeProfiler_Start_Params_STRUCT_SIZE;
  start.pRangeProfilerObject = object_;
  if (const CUptiResult code = api_.cuptiRangeProfilerStart(&start); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerStart");
  started_ = true;
  return {};
}

Status RangeSession::stop() {
  started_ = false;
  CUpti_RangeProfiler_Stop_Params params{};
  params.structSize = CUpti_RangeProfiler_Stop_Params_STRUCT_SIZE;
  params.pRangeProfilerObject = object_;
  if (const CUptiResult code = api_.cuptiRangeProfilerStop(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerStop");
  return {};
}

Status RangeSession::decode(Decoded& decoded) {
  CUpti_RangeProfiler_DecodeData_Params decode{};
  decode.structSize = CUpti_RangeProfiler_DecodeData_Params_STRUCT_SIZE;
  decode.pRangeProfilerObject = object_;
  if (const CUptiResult code = api_.cuptiRangeProfilerDecodeData(&decode); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerDecodeData");
  CUpti_RangeProfiler_GetCounterDataInfo_Params info{};
  info.structSize = CUpti_RangeProfiler_GetCounterDataInfo_Params_STRUCT_SIZE;
  info.pCounterDataImage = counters_.data();
  info.counterDataImageSize = counters_.size();
  if (const CUptiResult code = api_.cuptiRangeProfilerGetCounterDataInfo(&info);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiRangeProfilerGetCounterDataInfo");
  decoded = {.ranges = info.numTotalRanges, .dropped = decode.numOfRangeDropped};
  return {};
}

void RangeSession::abandon() noexcept {
  object_ = nullptr;
  started_ = false;
}

Status RangeSession::places(std::size_t ranges, std::vector<std::size_t>& place,
                            std::string& odd) const {
  std::vector<std::size_t> numbers(ranges);
  std::vector<std::string> names(ranges);
  for (std::size_t i = 0; i < ranges; ++i) {
    CUpti_RangeProfiler_CounterData_GetRangeInfo_Params params{};
    params.structSize = CUpti_RangeProfiler_CounterData_GetRangeInfo_Params_STRUCT_SIZE;
    params.pCounterDataImage = counters_.data();
    params.counterDataImageSize = counters_.size();
    params.rangeIndex = i;
    params.rangeDelimiter = "/";
    if (const CUptiResult code = api_.cuptiRangeProfilerCounterDataGetRangeInfo(&params);
        code != CUPTI_SUCCESS)
      return refused(api_, code, "cuptiRangeProfilerCounterDataGetRangeInfo");
    names[i] = params.rangeName == nullptr ? "" : params.rangeName;
    numbers[i] = number_of(names[i]);
  }
  place.assign(ranges, kNowhere);
  const std::size_t first = ranges > 0 ? *std::ranges::min_element(numbers) : 0;
  for (std::size_t i = 0; i < ranges; ++i) {
    const std::size_t launch = numbers[i] - first;
    if (numbers[i] == kNowhere || launch >= ranges || place[launch] != kNowhere) {
      odd = names[i];
      place.clear();
      return {};
    }
    place[launch] = i;
  }
  return {};
}

}  // namespace rooftop::capture
