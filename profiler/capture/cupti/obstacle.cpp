#include "profiler/capture/cupti/obstacle.h"

#include <string_view>

namespace rooftop::capture {

std::string remedy(CUptiResult code) {
  switch (code) {
    case CUPTI_ERROR_INSUFFICIENT_PRIVILEGES:
    case CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES:
      return "this user may not read GPU counters: run as root or with CAP_SYS_ADMIN, or load the "
             "driver with NVreg_RestrictProfilingToAdminUsers=0";
    case CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED:
    case CUPTI_ERROR_MAX_LIMIT_REACHED:
      return "another profiler (Nsight, PyTorch's, a sanitizer) holds CUPTI in this process: run "
             "without it";
    case CUPTI_ERROR_HARDWARE_BUSY:
      return "another tool holds the GPU's counters: stop it, or for DCGM run dcgmi profile "
             "--pause";
    case CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED:
      return "this virtual GPU does not offer profiling: enable it in the vGPU's plugin "
             "parameters, or use a whole GPU";
    case CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED:
      return "confidential computing is on, which hides the counters: use a GPU without it";
    case CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED:
      return "a CMP card has no counters: use another GPU";
    case CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED:
      return "this MIG instance shares its counters: use an instance with all its compute "
             "resources, or a GPU without MIG";
    case CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED:
      return "an SLI group has no counters: take the GPU out of it";
    case CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED:
      return "counters cannot be read under WSL here: use Linux on the machine itself";
    case CUPTI_ERROR_LEGACY_PROFILER_NOT_SUPPORTED:
    case CUPTI_ERROR_NOT_SUPPORTED:
    case CUPTI_ERROR_NOT_COMPATIBLE:
    case CUPTI_ERROR_INVALID_CHIP_NAME:
      return "this GPU or driver does not offer it: see rooftop doctor";
    case CUPTI_ERROR_OLD_PROFILER_API_INITIALIZED:
      return "the process uses CUPTI's old event or metric API: run without that tool";
    case CUPTI_ERROR_OUT_OF_MEMORY:
      return "there is not memory enough for its buffers";
    case CUPTI_ERROR_NOT_INITIALIZED:
    case CUPTI_ERROR_UNKNOWN:
      return "the NVIDIA driver is missing, or older than this CUPTI: see rooftop doctor";
    default:
      return {};
  }
}

Status refused(const CuptiApi& api, CUptiResult code, const char* call) {
  const char* name = nullptr;
  if (api.cuptiGetResultString == nullptr || api.cuptiGetResultString(code, &name) != CUPTI_SUCCESS)
    name = nullptr;
  std::string text = std::string(call) + " failed (" +
                     (name != nullptr ? name : std::to_string(static_cast<int>(code))) + ")";
  if (const std::string advice = remedy(code); !advice.empty()) text += ": " + advice;
  // The same code where CUPTI cannot load its own parts.
  if (code == CUPTI_ERROR_UNKNOWN && std::string_view(call) == "cuptiProfilerInitialize")
    text += "; or libnvperf_host.so and libnvperf_target.so do not lie beside libcupti.so";
  return Status::failed(std::move(text));
}

}  // namespace rooftop::capture
