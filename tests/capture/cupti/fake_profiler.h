// CUPTI's profiler as a table: it writes down every call, counts what is open, and gives the
// ranges, samples and values that a test put there. Any call can be made to fail. It stands for no
// hardware: it shows what our side asks, in which order, and does with an answer.
#pragma once

#include <cuda.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "profiler/capture/cupti/cuda_driver.h"
#include "tests/capture/cupti/fake_cupti.h"

namespace rooftop::capture::testing {

struct FakeLaunch {
  std::string name;
  unsigned grid = 1;
  unsigned block = 128;
};

struct FakeSample {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  double value = 0;  // of every metric
};

struct FakeProfiler {
  std::mutex mutex;
  std::vector<std::string> calls;
  std::map<std::string, CUptiResult> fail;  // call -> what it answers
  std::map<std::string, int> open;          // kind of handle -> how many are held

  std::string chip = "GH100";
  std::vector<std::string> base_metrics = {"dram__bytes_read",
                                           "dram__bytes_write",
                                           "gpu__time_duration",
                                           "lts__t_bytes",
                                           "sm__ops_path_tensor_src_bf16_dst_fp32_sparsity_off",
                                           "sm__ops_path_tensor_src_fp16_dst_fp32_sparsity_off",
                                           "smsp__sass_thread_inst_executed_op_ffma_pred_on",
                                           "sm__pipe_tensor_cycles_active",
                                           "sm__cycles_elapsed"};
  // Passes of a set: two tensor operations, or SASS beside anything else, take a second one.
  std::function<std::size_t(const std::vector<std::string>&)> passes;
  // Value of a metric of range `i` of the present session.
  std::function<double(const std::string&, std::size_t)> value;

  // Launches.
  CUpti_CallbackFunc callback = nullptr;
  void* callback_context = nullptr;
  std::uint32_t next_correlation = 1;
  bool counting = false;
  std::size_t ranges = 0;        // of the present session
  std::size_t max_ranges = 0;    // as it was configured
  std::size_t extra_ranges = 0;  // that no launch explains
  // Name of the range at a place of the image; empty: its number.
  std::function<std::string(std::size_t)> range_name;
  std::string last_range_name;
  CUpti_RangeProfiler_SetConfig_Params last_config{};

  // PM sampling.
  bool sampling = false;
  std::deque<FakeSample> pending;
  std::vector<FakeSample> image;
  std::size_t image_size = 0;
  bool overflow = false;
  bool clock_told = true;
  std::int64_t clock_ahead = 0;  // of ours
  CUpti_PmSampling_SetConfig_Params last_pm_config{};

  // The driver.
  int devices = 1;
  int active_devices = 1;
  CUcontext context = reinterpret_cast<CUcontext>(0x10);
  CUresult synchronized = CUDA_SUCCESS;

  CUptiResult note(const char* call) {
    const std::lock_guard lock(mutex);
    calls.emplace_back(call);
    const auto it = fail.find(call);
    return it == fail.end() ? CUPTI_SUCCESS : it->second;
  }
  std::size_t count(const std::string& call) {
    const std::lock_guard lock(mutex);
    return static_cast<std::size_t>(std::ranges::count(calls, call));
  }
  std::size_t held() const {
    std::size_t n = 0;
    for (const auto& [kind, number] : open) n += static_cast<std::size_t>(std::abs(number));
    return n;
  }
};

inline FakeProfiler*& fake_profiler() {
  static FakeProfiler* instance = nullptr;
  return instance;
}

struct FakeHost {
  std::vector<std::string> metrics;
};

inline std::size_t default_passes(const std::vector<std::string>& metrics) {
  const auto of = [&](const char* prefix) {
    return static_cast<std::size_t>(std::ranges::count_if(
        metrics, [&](const std::string& m) { return m.starts_with(prefix); }));
  };
  const std::size_t sass = of("smsp__sass");
  const std::size_t others = metrics.size() - sass;
  return std::max<std::size_t>(1, of("sm__ops_path_tensor")) + (sass > 0 && others > 0 ? 1 : 0);
}

// The table. `f` must outlive its use; one at a time.
inline CuptiApi fake_profiler_api(FakeProfiler& f) {
  fake_profiler() = &f;
  if (!f.passes) f.passes = default_passes;
  if (!f.value) f.value = [](const std::string&, std::size_t i) { return static_cast<double>(i); };
  CuptiApi api = refusing_cupti();

#define ROOFTOP_FAKE(name, ...)                                                            \
  api.name = [](auto... arguments) -> CUptiResult {                                        \
    FakeProfiler& fake = *fake_profiler();                                                 \
    if (const CUptiResult code = fake.note(#name + 5); code != CUPTI_SUCCESS) return code; \
    return [&fake]([[maybe_unused]] auto... p) -> CUptiResult {                            \
      (void)fake;                                                                          \
      __VA_ARGS__ return CUPTI_SUCCESS;                                                    \
    }(arguments...);                                                                       \
  };
#define ROOFTOP_PARAMS auto& params = *std::get<0>(std::tuple(p...));

  ROOFTOP_FAKE(cuptiSubscribe, {
    const std::lock_guard lock(fake.mutex);
    const auto t = std::tuple(p...);
    *std::get<0>(t) = reinterpret_cast<CUpti_SubscriberHandle>(0x1);
    fake.callback = std::get<1>(t);
    fake.callback_context = std::get<2>(t);
    ++fake.open["subscriber"];
  })
  ROOFTOP_FAKE(cuptiUnsubscribe, {
    const std::lock_guard lock(fake.mutex);
    fake.callback = nullptr;
    --fake.open["subscriber"];
  })
  ROOFTOP_FAKE(cuptiEnableCallback, {})
  ROOFTOP_FAKE(cuptiProfilerInitialize, { ++fake.open["profiler"]; })
  ROOFTOP_FAKE(cuptiProfilerDeInitialize, { --fake.open["profiler"]; })
  ROOFTOP_FAKE(cuptiProfilerDeviceSupported, {
    ROOFTOP_PARAMS
    params.isSupported = CUPTI_PROFILER_CONFIGURATION_SUPPORTED;
  })
  ROOFTOP_FAKE(cuptiDeviceGetChipName, {
    ROOFTOP_PARAMS
    params.pChipName = fake.chip.c_str();
  })
  ROOFTOP_FAKE(cuptiProfilerGetCounterAvailability, {
    ROOFTOP_PARAMS
    params.counterAvailabilityImageSize = 16;
  })
  ROOFTOP_FAKE(cuptiProfilerHostInitialize, {
    ROOFTOP_PARAMS
    params.pHostObject = reinterpret_cast<CUpti_Profiler_Host_Object*>(new FakeHost);
    ++fake.open["host"];
  })
  ROOFTOP_FAKE(cuptiProfilerHostDeinitialize, {
    ROOFTOP_PARAMS
    delete reinterpret_cast<FakeHost*>(params.pHostObject);
    --fake.open["host"];
  })
  ROOFTOP_FAKE(cuptiProfilerHostGetBaseMetrics, {
    ROOFTOP_PARAMS
    static std::vector<const char*> names;
    names.clear();
    for (const std::string& name : fake.base_metrics) names.push_back(name.c_str());
    params.ppMetricNames = names.data();
    params.numMetrics = names.size();
  })
  ROOFTOP_FAKE(cuptiProfilerHostConfigAddMetrics, {
    ROOFTOP_PARAMS
    auto& host = *reinterpret_cast<FakeHost*>(params.pHostObject);
    host.metrics.assign(params.ppMetricNames, params.ppMetricNames + params.numMetrics);
  })
  ROOFTOP_FAKE(cuptiProfilerHostGetConfigImageSize, {
    ROOFTOP_PARAMS
    params.configImageSize = sizeof(std::size_t);
  })
  ROOFTOP_FAKE(cuptiProfilerHostGetConfigImage, {
    ROOFTOP_PARAMS
    const std::size_t n = fake.passes(reinterpret_cast<FakeHost*>(params.pHostObject)->metrics);
    std::memcpy(params.pConfigImage, &n, sizeof n);
  })
  ROOFTOP_FAKE(cuptiProfilerHostGetNumOfPasses, {
    ROOFTOP_PARAMS
    std::memcpy(&params.numOfPasses, params.pConfigImage, sizeof params.numOfPasses);
  })
  ROOFTOP_FAKE(cuptiProfilerHostEvaluateToGpuValues, {
    ROOFTOP_PARAMS
    for (std::size_t i = 0; i < params.numMetrics; ++i) {
      params.pMetricValues[i] = fake.image_size > 0
                                    ? fake.image.at(params.rangeIndex).value
                                    : fake.value(params.ppMetricNames[i], params.rangeIndex);
    }
  })
  ROOFTOP_FAKE(cuptiRangeProfilerEnable, {
    ROOFTOP_PARAMS
    params.pRangeProfilerObject = reinterpret_cast<CUpti_RangeProfiler_Object*>(0x2);
    ++fake.open["range profiler"];
  })
  ROOFTOP_FAKE(cuptiRangeProfilerDisable, { --fake.open["range profiler"]; })
  ROOFTOP_FAKE(cuptiRangeProfilerGetCounterDataSize, {
    ROOFTOP_PARAMS
    params.counterDataSize = 64;
  })
  ROOFTOP_FAKE(cuptiRangeProfilerCounterDataImageInitialize, {})
  ROOFTOP_FAKE(cuptiRangeProfilerSetConfig, {
    ROOFTOP_PARAMS
    fake.last_config = params;
    fake.max_ranges = params.maxRangesPerPass;
  })
  ROOFTOP_FAKE(cuptiRangeProfilerStart, {
    const std::lock_guard lock(fake.mutex);
    fake.counting = true;
    fake.ranges = 0;
    ++fake.open["range pass"];
  })
  ROOFTOP_FAKE(cuptiRangeProfilerStop, {
    const std::lock_guard lock(fake.mutex);
    fake.counting = false;
    --fake.open["range pass"];
  })
  ROOFTOP_FAKE(cuptiRangeProfilerDecodeData, {
    const std::lock_guard lock(fake.mutex);
    ROOFTOP_PARAMS
    const std::size_t all = fake.ranges + fake.extra_ranges;
    params.numOfRangeDropped = all > fake.max_ranges ? all - fake.max_ranges : 0;
  })
  ROOFTOP_FAKE(cuptiRangeProfilerGetCounterDataInfo, {
    const std::lock_guard lock(fake.mutex);
    ROOFTOP_PARAMS
    params.numTotalRanges = std::min(fake.ranges + fake.extra_ranges, fake.max_ranges);
  })
  ROOFTOP_FAKE(cuptiRangeProfilerCounterDataGetRangeInfo, {
    ROOFTOP_PARAMS
    const std::size_t at = params.rangeIndex;
    fake.last_range_name = fake.range_name ? fake.range_name(at) : std::to_string(at);
    params.rangeName = fake.last_range_name.c_str();
  })
  ROOFTOP_FAKE(cuptiPmSamplingGetCounterAvailability, {
    ROOFTOP_PARAMS
    params.counterAvailabilityImageSize = 16;
  })
  ROOFTOP_FAKE(cuptiPmSamplingEnable, {
    ROOFTOP_PARAMS
    params.pPmSamplingObject = reinterpret_cast<CUpti_PmSampling_Object*>(0x3);
    ++fake.open["pm sampler"];
  })
  ROOFTOP_FAKE(cuptiPmSamplingDisable, { --fake.open["pm sampler"]; })
  ROOFTOP_FAKE(cuptiPmSamplingSetConfig, {
    ROOFTOP_PARAMS
    fake.last_pm_config = params;
  })
  ROOFTOP_FAKE(cuptiPmSamplingStart, {
    fake.sampling = true;
    ++fake.open["pm run"];
  })
  ROOFTOP_FAKE(cuptiPmSamplingStop, {
    fake.sampling = false;
    --fake.open["pm run"];
  })
  ROOFTOP_FAKE(cuptiPmSamplingGetCounterDataSize, {
    ROOFTOP_PARAMS
    fake.image_size = params.maxSamples;
    params.counterDataSize = 64;
  })
  ROOFTOP_FAKE(cuptiPmSamplingCounterDataImageInitialize, { fake.image.clear(); })
  ROOFTOP_FAKE(cuptiPmSamplingDecodeData, {
    ROOFTOP_PARAMS
    const std::lock_guard lock(fake.mutex);
    params.overflow = fake.overflow ? 1 : 0;
    if (fake.overflow) return CUPTI_ERROR_OUT_OF_MEMORY;
    while (!fake.pending.empty() && fake.image.size() < fake.image_size) {
      fake.image.push_back(fake.pending.front());
      fake.pending.pop_front();
    }
    params.decodeStopReason = fake.pending.empty()
                                  ? CUPTI_PM_SAMPLING_DECODE_STOP_REASON_END_OF_RECORDS
                                  : CUPTI_PM_SAMPLING_DECODE_STOP_REASON_COUNTER_DATA_FULL;
  })
  ROOFTOP_FAKE(cuptiPmSamplingGetCounterDataInfo, {
    ROOFTOP_PARAMS
    params.numTotalSamples = fake.image_size;
    params.numPopulatedSamples = fake.image.size();
    params.numCompletedSamples = fake.image.size();
  })
  ROOFTOP_FAKE(cuptiPmSamplingCounterDataGetSampleInfo, {
    ROOFTOP_PARAMS
    params.startTimestamp = fake.image.at(params.sampleIndex).begin;
    params.endTimestamp = fake.image.at(params.sampleIndex).end;
  })
  api.cuptiGetTimestamp = [](std::uint64_t* time) {
    *time = static_cast<std::uint64_t>(now().ns + fake_profiler()->clock_ahead);
    return fake_profiler()->clock_told ? CUPTI_SUCCESS : CUPTI_ERROR_UNKNOWN;
  };
#undef ROOFTOP_PARAMS
#undef ROOFTOP_FAKE
  return api;
}

// The driver of that machine.
inline CudaDriver fake_driver() {
  CudaDriver driver;
  driver.cuInit = [](unsigned) { return CUDA_SUCCESS; };
  driver.cuDriverGetVersion = [](int* version) {
    *version = 13000;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetCount = [](int* count) {
    *count = fake_profiler()->devices;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGet = [](CUdevice* device, int ordinal) {
    *device = ordinal;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetName = [](char* name, int size, CUdevice) {
    std::strncpy(name, "Fake GPU", static_cast<std::size_t>(size));
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetAttribute = [](int* value, CUdevice_attribute, CUdevice) {
    *value = 1;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceTotalMem = [](std::size_t* bytes, CUdevice) {
    *bytes = 1;
    return CUDA_SUCCESS;
  };
  driver.cuDevicePrimaryCtxGetState = [](CUdevice device, unsigned* flags, int* active) {
    *flags = 0;
    *active = device < fake_profiler()->active_devices ? 1 : 0;
    return CUDA_SUCCESS;
  };
  driver.cuCtxGetCurrent = [](CUcontext* context) {
    *context = fake_profiler()->context;
    return CUDA_SUCCESS;
  };
  driver.cuCtxGetDevice = [](CUdevice* device) {
    *device = 0;
    return CUDA_SUCCESS;
  };
  driver.cuCtxPushCurrent = [](CUcontext) { return CUDA_SUCCESS; };
  driver.cuCtxPopCurrent = [](CUcontext*) { return CUDA_SUCCESS; };
  driver.cuCtxSynchronize = [] {
    fake_profiler()->note("CtxSynchronize");
    return fake_profiler()->synchronized;
  };
  return driver;
}

// A kernel's launch as the driver would tell it, and its range.
inline void fake_launch(const FakeLaunch& launch, CUresult result = CUDA_SUCCESS,
                        CUcontext context = nullptr) {
  FakeProfiler& f = *fake_profiler();
  CUpti_CallbackData data{};
  CUpti_CallbackFunc callback = nullptr;
  {
    const std::lock_guard lock(f.mutex);
    callback = f.callback;
    if (f.counting && result == CUDA_SUCCESS) ++f.ranges;
    data.correlationId = f.next_correlation++;
  }
  if (callback == nullptr) return;
  cuLaunchKernel_params parameters{};
  parameters.gridDimX = launch.grid;
  parameters.gridDimY = parameters.gridDimZ = 1;
  parameters.blockDimX = launch.block;
  parameters.blockDimY = parameters.blockDimZ = 1;
  data.callbackSite = CUPTI_API_EXIT;
  data.functionParams = &parameters;
  data.functionReturnValue = &result;
  data.symbolName = launch.name.c_str();
  data.context = context == nullptr ? f.context : context;
  callback(f.callback_context, CUPTI_CB_DOMAIN_DRIVER_API, CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel,
           &data);
}

// A call of the driver of which only the name matters.
inline void fake_call(CUpti_CallbackId id, CUresult result = CUDA_SUCCESS) {
  FakeProfiler& f = *fake_profiler();
  if (f.callback == nullptr) return;
  cuGraphLaunch_params parameters{};
  CUpti_CallbackData data{};
  data.callbackSite = CUPTI_API_EXIT;
  data.functionParams = &parameters;
  data.functionReturnValue = &result;
  data.context = f.context;
  f.callback(f.callback_context, CUPTI_CB_DOMAIN_DRIVER_API, id, &data);
}
inline void fake_graph_launch() { fake_call(CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch); }

inline void fake_context_end(CUcontext context) {
  FakeProfiler& f = *fake_profiler();
  if (f.callback == nullptr) return;
  CUpti_ResourceData data{};
  data.context = context;
  f.callback(f.callback_context, CUPTI_CB_DOMAIN_RESOURCE,
             CUPTI_CBID_RESOURCE_CONTEXT_DESTROY_STARTING, &data);
}

}  // namespace rooftop::capture::testing
