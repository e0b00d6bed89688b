#include "profiler/capture/cupti/doctor_probe.h"

#include <cstdlib>
#include <string_view>

#include "profiler/capture/cupti/chip_support.h"
#include "profiler/capture/cupti/obstacle.h"
#include "profiler/capture/doctor_gpus.h"

namespace rooftop::capture {
namespace {

std::string version_text(std::uint32_t version) {
  if (version < 10'000) return std::to_string(version) + " (of CUDA 12)";
  return std::to_string(version / 10'000) + "." + std::to_string(version % 10'000 / 100) + " (" +
         std::to_string(version) + ")";
}

Status no_cuda(CUresult code) {
  switch (code) {
    case CUDA_ERROR_NO_DEVICE:
      return Status::failed(
          "the driver finds no GPU: look at nvidia-smi, and at CUDA_VISIBLE_DEVICES");
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
      return Status::failed(
          "libcuda does not belong to the loaded kernel module: reboot, or remove the other one");
    case CUDA_ERROR_SYSTEM_NOT_READY:
      return Status::failed("the GPUs' fabric is not ready: start NVIDIA's fabric manager");
    case CUDA_ERROR_STUB_LIBRARY:
      return Status::failed(
          "libcuda.so.1 is the toolkit's stub: take its folder out of LD_LIBRARY_PATH");
    default:
      return Status::failed("cuInit failed with error " + std::to_string(static_cast<int>(code)) +
                            ": look at nvidia-smi and at the kernel's log");
  }
}

// Whether activity records can be had: asked for, and given back at once.
Status try_timeline(const CuptiApi& api) {
  const CUptiResult code = api.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  if (code != CUPTI_SUCCESS) return refused(api, code, "cuptiActivityEnable");
  (void)api.cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  return {};
}

std::string chip_name(const CuptiApi& api, std::size_t device) {
  if (api.cuptiDeviceGetChipName == nullptr) return {};
  CUpti_Device_GetChipName_Params parameters{};
  parameters.structSize = CUpti_Device_GetChipName_Params_STRUCT_SIZE;
  parameters.deviceIndex = device;
  const bool known = api.cuptiDeviceGetChipName(&parameters) == CUPTI_SUCCESS;
  return known && parameters.pChipName != nullptr ? parameters.pChipName : "";
}

// The permission itself: the driver checks it here.
Status try_availability(const CuptiApi& api, std::size_t device) {
  CUpti_PmSampling_GetCounterAvailability_Params parameters{};
  parameters.structSize = CUpti_PmSampling_GetCounterAvailability_Params_STRUCT_SIZE;
  parameters.deviceIndex = device;
  const CUptiResult code = api.cuptiPmSamplingGetCounterAvailability(&parameters);
  return code == CUPTI_SUCCESS ? Status()
                               : refused(api, code, "cuptiPmSamplingGetCounterAvailability");
}

GpuState describe(const CudaDriver& driver, CUdevice device) {
  const DeviceInfo info = describe_device(driver, device);
  GpuState gpu;
  gpu.name = info.name;
  gpu.compute_major = info.compute_major;
  gpu.compute_minor = info.compute_minor;
  gpu.mig = gpu.name.find(" MIG ") != std::string::npos;
  return gpu;
}

void ask_cupti(const CuptiApi& api, const Status& profiler, CUdevice device, GpuState& gpu) {
  CUpti_DeviceVirtualizationMode mode = CUPTI_DEVICE_VIRTUALIZATION_MODE_NONE;
  if (api.cuptiDeviceVirtualizationMode != nullptr &&
      api.cuptiDeviceVirtualizationMode(device, &mode) == CUPTI_SUCCESS)
    gpu.virtual_gpu = mode == CUPTI_DEVICE_VIRTUALIZATION_MODE_VIRTUAL_GPU;
  gpu.counters = profiler;
  gpu.sampling = profiler;
  if (!profiler.ok()) return;  // CUPTI's next calls crash where its profiler did not start
  gpu.chip = chip_name(api, static_cast<std::size_t>(device));
  gpu.counters = profiling_supported(api, device, CUPTI_PROFILER_RANGE_PROFILING);
  gpu.sampling = profiling_supported(api, device, CUPTI_PROFILER_PM_SAMPLING);
  if (gpu.sampling.ok()) gpu.sampling = try_availability(api, static_cast<std::size_t>(device));
}

Status start_profiler(const CuptiApi& api) {
  if (!api.has_ranges() || !api.has_sampling())
    return Status::failed(
        "this CUPTI is too old to read counters: Rooftop needs that of CUDA "
        "12.6 or newer");
  CUpti_Profiler_Initialize_Params parameters{};
  parameters.structSize = CUpti_Profiler_Initialize_Params_STRUCT_SIZE;
  const CUptiResult code = api.cuptiProfilerInitialize(&parameters);
  return code == CUPTI_SUCCESS ? Status() : refused(api, code, "cuptiProfilerInitialize");
}

void look_at_devices(const CudaDriver& driver, const CuptiApi* api, CuptiState& state) {
  const Status profiler = api == nullptr ? state.cupti : start_profiler(*api);
  int count = 0;
  if (driver.cuDeviceGetCount(&count) != CUDA_SUCCESS) count = 0;
  for (int i = 0; i < count; ++i) {
    CUdevice device = 0;
    if (driver.cuDeviceGet(&device, i) != CUDA_SUCCESS) continue;
    GpuState gpu = describe(driver, device);
    if (api != nullptr) ask_cupti(*api, profiler, device, gpu);
    state.gpus.push_back(std::move(gpu));
  }
  if (api != nullptr && profiler.ok() && api->cuptiProfilerDeInitialize != nullptr) {
    CUpti_Profiler_DeInitialize_Params parameters{};
    parameters.structSize = CUpti_Profiler_DeInitialize_Params_STRUCT_SIZE;
    (void)api->cuptiProfilerDeInitialize(&parameters);
  }
}

}  // namespace

CuptiState probe(const CudaDriverLookup& driver, const CuptiLookup& cupti) {
  CuptiState state;
  state.cupti = cupti.api == nullptr ? cupti.why : Status();
  if (cupti.api != nullptr) {
    state.version = version_text(cupti.api->version);
    state.path = cupti.api->path;
  }
  state.driver = driver.driver == nullptr ? driver.why : Status();
  if (driver.driver == nullptr) return state;
  int version = 0;
  if (driver.driver->cuDriverGetVersion(&version) == CUDA_SUCCESS)
    state.driver_cuda = std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  if (const CUresult code = driver.driver->cuInit(0); code != CUDA_SUCCESS) {
    state.driver = no_cuda(code);
    return state;
  }
  if (cupti.api != nullptr) state.timeline = try_timeline(*cupti.api);
  look_at_devices(*driver.driver, cupti.api, state);
  return state;
}

CuptiState look_at_gpus() { return probe(cuda_driver(), cupti()); }

}  // namespace rooftop::capture
