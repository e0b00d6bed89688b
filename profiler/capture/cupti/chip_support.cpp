#include "profiler/capture/cupti/chip_support.h"

#include "profiler/capture/cupti/obstacle.h"
#include "profiler/capture/cupti/shared_object.h"

namespace rooftop::capture {

Status profiling_supported(const CuptiApi& api, CUdevice device, CUpti_Profiler_API what) {
  if (api.cuptiProfilerDeviceSupported == nullptr) return {};
  CUpti_Profiler_DeviceSupported_Params params{};
  params.structSize = CUpti_Profiler_DeviceSupported_Params_STRUCT_SIZE;
  params.cuDevice = device;
  params.api = what;
  if (const CUptiResult code = api.cuptiProfilerDeviceSupported(&params); code != CUPTI_SUCCESS)
    return refused(api, code, "cuptiProfilerDeviceSupported");
  const auto no = [](CUpti_Profiler_Support_Level level) {
    return level == CUPTI_PROFILER_CONFIGURATION_UNSUPPORTED ||
           level == CUPTI_PROFILER_CONFIGURATION_DISABLED;
  };
  if (!no(params.isSupported)) return {};
  const std::pair<CUpti_Profiler_Support_Level, CUptiResult> reasons[] = {
      {params.vGpu, CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED},
      {params.confidentialCompute, CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED},
      {params.cmp, CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED},
      {params.sli, CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED},
      {params.wsl, CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED},
      {params.architecture, CUPTI_ERROR_NOT_SUPPORTED}};
  for (const auto& [level, code] : reasons) {
    if (no(level)) return Status::failed("counters cannot be read: " + remedy(code));
  }
  return Status::failed("counters cannot be read on this device: see rooftop doctor");
}

Status serialisation_refused(const std::string& because) {
  return Status::failed("counters are not read, for " + because +
                        ": launches are serialised, and kernels that wait for each other would "
                        "hang; record the timeline or samples, or ask for counters all the same");
}

std::string communication_library() {
  for (const char* library : {"libnccl.so", "librccl.so", "libmpi.so", "libnvshmem"}) {
    if (!loaded_object(library).empty()) return library;
  }
  return {};
}

Status may_serialise(const CudaDriver& driver) {
  int devices = 0;
  if (driver.cuDeviceGetCount(&devices) != CUDA_SUCCESS) return {};
  int in_use = 0;
  for (int i = 0; i < devices; ++i) {
    CUdevice device = 0;
    unsigned flags = 0;
    int active = 0;
    if (driver.cuDeviceGet(&device, i) == CUDA_SUCCESS &&
        driver.cuDevicePrimaryCtxGetState(device, &flags, &active) == CUDA_SUCCESS && active != 0)
      ++in_use;
  }
  if (in_use > 1)
    return serialisation_refused("this process uses " + std::to_string(in_use) + " devices");
  return {};
}

}  // namespace rooftop::capture
