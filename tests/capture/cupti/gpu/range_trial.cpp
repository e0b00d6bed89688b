#include "tests/capture/cupti/gpu/range_trial.h"

#include <chrono>
#include <stdexcept>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture::testing {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// CUPTI's parameters: all zero but for their size.
#define ROOFTOP_PARAMETERS(type, name) \
  type name = {};                      \
  name.structSize = type##_STRUCT_SIZE

class Trial {
 public:
  Trial(const CuptiApi& api, RangeTrial& out) : api_(api), host_(api), out_(out) {}
  ~Trial() {
    if (object_ == nullptr) return;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_Disable_Params, p);
    p.pRangeProfilerObject = object_;
    (void)api_.cuptiRangeProfilerDisable(&p);
  }

  void open(const std::string& chip, const std::vector<std::string>& metrics, std::size_t most) {
    require(host_.open(CUPTI_PROFILER_TYPE_RANGE_PROFILER, chip));
    require(host_.schedule(metrics));
    out_.passes = host_.passes();
    CUcontext context = nullptr;
    if (cuda_driver().driver == nullptr ||
        cuda_driver().driver->cuCtxGetCurrent(&context) != CUDA_SUCCESS)
      throw std::runtime_error("no current context");
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_Enable_Params, enable);
    enable.ctx = context;
    call(api_.cuptiRangeProfilerEnable(&enable), "cuptiRangeProfilerEnable");
    object_ = enable.pRangeProfilerObject;
    most_ = most;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_GetCounterDataSize_Params, size);
    size.pRangeProfilerObject = object_;
    size.pMetricNames = host_.metric_names().data();
    size.numMetrics = host_.metric_names().size();
    size.maxNumOfRanges = most;
    size.maxNumRangeTreeNodes = static_cast<std::uint32_t>(most);
    call(api_.cuptiRangeProfilerGetCounterDataSize(&size), "cuptiRangeProfilerGetCounterDataSize");
    image_.resize(size.counterDataSize);
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_CounterDataImage_Initialize_Params, first);
    first.pRangeProfilerObject = object_;
    first.counterDataSize = image_.size();
    first.pCounterData = image_.data();
    call(api_.cuptiRangeProfilerCounterDataImageInitialize(&first),
         "cuptiRangeProfilerCounterDataImageInitialize");
  }

  void run(const RangeForm& form, int steps, const RangeStep& step) {
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_SetConfig_Params, set);
    set.pRangeProfilerObject = object_;
    set.configSize = host_.configuration().size();
    set.pConfig = host_.configuration().data();
    set.counterDataImageSize = image_.size();
    set.pCounterDataImage = image_.data();
    set.range = form.range;
    set.replayMode = form.replay;
    set.maxRangesPerPass = most_;
    set.numNestingLevels = 1;
    set.minNestingLevel = 1;
    set.passIndex = 0;
    set.targetNestingLevel = 1;
    call(api_.cuptiRangeProfilerSetConfig(&set), "cuptiRangeProfilerSetConfig");
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_Start_Params, start);
    start.pRangeProfilerObject = object_;
    auto begin = Clock::now();
    call(api_.cuptiRangeProfilerStart(&start), "cuptiRangeProfilerStart");
    out_.start_s = seconds_since(begin);
    begin = Clock::now();
    for (int i = 0; i < steps; ++i) step([&] { push(form); }, [&] { pop(form); });
    out_.step_s = seconds_since(begin) / steps;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_Stop_Params, stop);
    stop.pRangeProfilerObject = object_;
    begin = Clock::now();
    call(api_.cuptiRangeProfilerStop(&stop), "cuptiRangeProfilerStop");
    out_.stop_s = seconds_since(begin);
    out_.all_submitted = stop.isAllPassSubmitted != 0;
  }

  void read() {
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_DecodeData_Params, decode);
    decode.pRangeProfilerObject = object_;
    auto begin = Clock::now();
    call(api_.cuptiRangeProfilerDecodeData(&decode), "cuptiRangeProfilerDecodeData");
    out_.decode_s = seconds_since(begin);
    out_.dropped = decode.numOfRangeDropped;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_GetCounterDataInfo_Params, info);
    info.pCounterDataImage = image_.data();
    info.counterDataImageSize = image_.size();
    call(api_.cuptiRangeProfilerGetCounterDataInfo(&info), "cuptiRangeProfilerGetCounterDataInfo");
    begin = Clock::now();
    out_.metrics = host_.metrics();
    for (std::size_t i = 0; i < info.numTotalRanges; ++i) {
      std::vector<double> values(host_.metrics().size());
      require(host_.evaluate(image_, i, values));
      out_.ranges.push_back(std::move(values));
    }
    if (info.numTotalRanges > 0)
      out_.evaluate_s = seconds_since(begin) / static_cast<double>(info.numTotalRanges);
  }

 private:
  static void require(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.message());
  }
  void call(CUptiResult result, const char* name) const {
    if (result != CUPTI_SUCCESS) require(refused(api_, result, name));
  }
  void push(const RangeForm& form) {
    if (form.range != CUPTI_UserRange) return;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_PushRange_Params, p);
    p.pRangeProfilerObject = object_;
    const std::string name = "range" + std::to_string(pushed_++);
    p.pRangeName = name.c_str();
    call(api_.cuptiRangeProfilerPushRange(&p), "cuptiRangeProfilerPushRange");
  }
  void pop(const RangeForm& form) {
    if (form.range != CUPTI_UserRange) return;
    ROOFTOP_PARAMETERS(CUpti_RangeProfiler_PopRange_Params, p);
    p.pRangeProfilerObject = object_;
    call(api_.cuptiRangeProfilerPopRange(&p), "cuptiRangeProfilerPopRange");
  }

  const CuptiApi& api_;
  MetricHost host_;
  RangeTrial& out_;
  CUpti_RangeProfiler_Object* object_ = nullptr;
  std::vector<std::uint8_t> image_;
  std::size_t most_ = 0;
  int pushed_ = 0;
};

}  // namespace

RangeTrial try_ranges(const CuptiApi& api, const std::string& chip,
                      const std::vector<std::string>& metrics, const RangeForm& form,
                      std::size_t most_ranges, int steps, const RangeStep& step) {
  RangeTrial out;
  try {
    Trial trial(api, out);
    trial.open(chip, metrics, most_ranges);
    trial.run(form, steps, step);
    trial.read();
  } catch (const std::exception& e) {
    out.error = e.what();
  }
  return out;
}

std::string chip_of_device(const CuptiApi& api, std::string& error) {
  ROOFTOP_PARAMETERS(CUpti_Profiler_Initialize_Params, initialize);
  CUptiResult result = api.cuptiProfilerInitialize(&initialize);
  if (result != CUPTI_SUCCESS) {
    error = refused(api, result, "cuptiProfilerInitialize").message();
    return {};
  }
  ROOFTOP_PARAMETERS(CUpti_Device_GetChipName_Params, name);
  name.deviceIndex = 0;
  result = api.cuptiDeviceGetChipName(&name);
  if (result != CUPTI_SUCCESS) {
    error = refused(api, result, "cuptiDeviceGetChipName").message();
    return {};
  }
  return name.pChipName;
}

}  // namespace rooftop::capture::testing
