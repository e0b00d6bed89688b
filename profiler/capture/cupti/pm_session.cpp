#include "profiler/capture/cupti/pm_session.h"

#include <unistd.h>

#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/counter_archive.h"
#include "profiler/capture/cupti/counter_plan.h"
#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {
namespace {

// Of the system clock, where samples can only be taken by it: it varies, around 1 GHz.
constexpr double kClocksPerNanosecond = 1.0;
constexpr int kSavedImages = 2;

bool lacks_time_trigger(const std::string& chip) {
  return chip == "GA100" || chip.starts_with("TU");
}

Status pm_availability(const CuptiApi& api, std::uint32_t ordinal,
                       std::vector<std::uint8_t>& image) {
  CUpti_PmSampling_GetCounterAvailability_Params params{};
  params.structSize = CUpti_PmSampling_GetCounterAvailability_Params_STRUCT_SIZE;
  params.deviceIndex = ordinal;
  CUptiResult code = api.cuptiPmSamplingGetCounterAvailability(&params);
  if (code == CUPTI_SUCCESS) {
    image.resize(params.counterAvailabilityImageSize);
    params.pCounterAvailabilityImage = image.data();
    code = api.cuptiPmSamplingGetCounterAvailability(&params);
  }
  if (code != CUPTI_SUCCESS) return refused(api, code, "cuptiPmSamplingGetCounterAvailability");
  return {};
}

}  // namespace

Status PmSession::open(const PmSettings& settings) {
  settings_ = settings;
  if (Status status = chip_name(api_, settings_.ordinal, chip_); !status.ok()) return status;
  by_clock_ = lacks_time_trigger(chip_);
  if (Status status = prepare_host(); !status.ok()) return status;
  if (Status status = enable(); !status.ok()) return status;
  return make_image();
}

Status PmSession::prepare_host() {
  if (Status status = pm_availability(api_, settings_.ordinal, availability_); !status.ok())
    return status;
  PlanRequest request;
  request.chip = chip_;
  request.pm_availability = availability_;
  request.ranges = false;
  CounterPlan plan;
  if (Status status = plan_counters(api_, request, plan); !status.ok()) return status;
  host_ = std::make_unique<MetricHost>(api_);
  if (Status status = host_->open(CUPTI_PROFILER_TYPE_PM_SAMPLING, chip_, availability_);
      !status.ok())
    return status;
  if (Status status = host_->schedule(plan.configurations.front().metrics); !status.ok())
    return status;
  if (host_->passes() != 1)
    return Status::failed("DRAM bytes of " + chip_ +
                          " cannot be sampled in one pass on this device");
  return {};
}

Status PmSession::enable() {
  CUpti_PmSampling_Enable_Params params{};
  params.structSize = CUpti_PmSampling_Enable_Params_STRUCT_SIZE;
  params.deviceIndex = settings_.ordinal;
  if (const CUptiResult code = api_.cuptiPmSamplingEnable(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingEnable");
  object_ = params.pPmSamplingObject;

  CUpti_PmSampling_SetConfig_Params config{};
  config.structSize = CUpti_PmSampling_SetConfig_Params_STRUCT_SIZE;
  config.pPmSamplingObject = object_;
  config.configSize = host_->configuration().size();
  config.pConfig = host_->configuration().data();
  config.hardwareBufferSize = settings_.hardware_buffer_bytes;
  config.samplingInterval =
      by_clock_ ? static_cast<std::uint64_t>(static_cast<double>(settings_.interval_ns) *
                                             kClocksPerNanosecond)
                : settings_.interval_ns;
  config.triggerMode = by_clock_ ? CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_SYSCLK_INTERVAL
                                 : CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_TIME_INTERVAL;
  // Turing has no other mode; and what is lost is then lost in one piece, and told.
  config.hwBufferAppendMode = CUPTI_PM_SAMPLING_HARDWARE_BUFFER_APPEND_MODE_KEEP_OLDEST;
  if (const CUptiResult code = api_.cuptiPmSamplingSetConfig(&config); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingSetConfig");
  return {};
}

Status PmSession::make_image() {
  CUpti_PmSampling_GetCounterDataSize_Params size{};
  size.structSize = CUpti_PmSampling_GetCounterDataSize_Params_STRUCT_SIZE;
  size.pPmSamplingObject = object_;
  size.pMetricNames = host_->metric_names().data();
  size.numMetrics = host_->metric_names().size();
  size.maxSamples = settings_.image_samples;
  if (const CUptiResult code = api_.cuptiPmSamplingGetCounterDataSize(&size); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingGetCounterDataSize");
  image_.resize(size.counterDataSize);
  return initialize_image();
}

Status PmSession::initialize_image() {
  CUpti_PmSampling_CounterDataImage_Initialize_Params params{};
  params.structSize = CUpti_PmSampling_CounterDataImage_Initialize_Params_STRUCT_SIZE;
  params.pPmSamplingObject = object_;
  params.counterDataSize = image_.size();
  params.pCounterData = image_.data();
  if (const CUptiResult code = api_.cuptiPmSamplingCounterDataImageInitialize(&params);
      code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingCounterDataImageInitialize");
  return {};
}

Status PmSession::start() {
  CUpti_PmSampling_Start_Params params{};
  params.structSize = CUpti_PmSampling_Start_Params_STRUCT_SIZE;
  params.pPmSamplingObject = object_;
  if (const CUptiResult code = api_.cuptiPmSamplingStart(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingStart");
  started_ = true;
  return {};
}

Status PmSession::stop() {
  if (!started_) return {};
  started_ = false;
  CUpti_PmSampling_Stop_Params params{};
  params.structSize = CUpti_PmSampling_Stop_Params_STRUCT_SIZE;
  params.pPmSamplingObject = object_;
  if (const CUptiResult code = api_.cuptiPmSamplingStop(&params); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingStop");
  return {};
}

void PmSession::close() noexcept {
  if (object_ == nullptr) return;
  if (started_) {
    CUpti_PmSampling_Stop_Params stop{};
    stop.structSize = CUpti_PmSampling_Stop_Params_STRUCT_SIZE;
    stop.pPmSamplingObject = object_;
    (void)api_.cuptiPmSamplingStop(&stop);
  }
  started_ = false;
  CUpti_PmSampling_Disable_Params params{};
  params.structSize = CUpti_PmSampling_Disable_Params_STRUCT_SIZE;
  params.pPmSamplingObject = object_;
  (void)api_.cuptiPmSamplingDisable(&params);
  object_ = nullptr;
}

Status PmSession::decode(std::vector<PmSample>& samples, Decoded& decoded) {
  CUpti_PmSampling_DecodeData_Params params{};
  params.structSize = CUpti_PmSampling_DecodeData_Params_STRUCT_SIZE;
  params.pPmSamplingObject = object_;
  params.pCounterDataImage = image_.data();
  params.counterDataImageSize = image_.size();
  const CUptiResult code = api_.cuptiPmSamplingDecodeData(&params);
  // As documented: out of memory means that the hardware buffer overflowed.
  decoded.overflow = params.overflow != 0 || code == CUPTI_ERROR_OUT_OF_MEMORY;
  decoded.more = params.decodeStopReason == CUPTI_PM_SAMPLING_DECODE_STOP_REASON_COUNTER_DATA_FULL;
  if (code != CUPTI_SUCCESS && code != CUPTI_ERROR_OUT_OF_MEMORY)
    return refused(api_, code, "cuptiPmSamplingDecodeData");
  if (Status status = take(samples); !status.ok()) return status;
  return initialize_image();
}

Status PmSession::take(std::vector<PmSample>& samples) {
  CUpti_PmSampling_GetCounterDataInfo_Params info{};
  info.structSize = CUpti_PmSampling_GetCounterDataInfo_Params_STRUCT_SIZE;
  info.pCounterDataImage = image_.data();
  info.counterDataImageSize = image_.size();
  if (const CUptiResult code = api_.cuptiPmSamplingGetCounterDataInfo(&info); code != CUPTI_SUCCESS)
    return refused(api_, code, "cuptiPmSamplingGetCounterDataInfo");
  const std::size_t first = samples.size();
  for (std::size_t i = 0; i < info.numCompletedSamples; ++i) {
    CUpti_PmSampling_CounterData_GetSampleInfo_Params at{};
    at.structSize = CUpti_PmSampling_CounterData_GetSampleInfo_Params_STRUCT_SIZE;
    at.pPmSamplingObject = object_;
    at.pCounterDataImage = image_.data();
    at.counterDataImageSize = image_.size();
    at.sampleIndex = i;
    if (const CUptiResult code = api_.cuptiPmSamplingCounterDataGetSampleInfo(&at);
        code != CUPTI_SUCCESS)
      return refused(api_, code, "cuptiPmSamplingCounterDataGetSampleInfo");
    PmSample sample{.begin = at.startTimestamp,
                    .end = at.endTimestamp,
                    .values = std::vector<double>(host_->metrics().size())};
    if (Status status = host_->evaluate(image_, i, sample.values); !status.ok()) return status;
    samples.push_back(std::move(sample));
  }
  if (!settings_.save_counters.empty()) save(std::span(samples).subspan(first));
  return {};
}

void PmSession::save(std::span<const PmSample> samples) {
  if (samples.empty() || saved_ >= kSavedImages) return;
  SavedCounters saved{.cupti_version = api_.version,
                      .kind = CounterKind::kPm,
                      .chip = chip_,
                      .metrics = host_->metrics(),
                      .launches = {},
                      .availability = availability_,
                      .configuration = host_->configuration(),
                      .counters = image_,
                      .values = {}};
  for (const PmSample& sample : samples)
    saved.values.insert(saved.values.end(), sample.values.begin(), sample.values.end());
  const std::string path = settings_.save_counters + "/" + chip_ + "-pm-" +
                           std::to_string(getpid()) + "-" + std::to_string(saved_++) + ".rtcnt";
  // Raw material for tests: a folder that cannot be written is no reason to end a recording.
  if (!save_counters(saved, path).ok()) saved_ = kSavedImages;
}

}  // namespace rooftop::capture
