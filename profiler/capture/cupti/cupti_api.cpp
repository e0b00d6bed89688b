#include "profiler/capture/cupti/cupti_api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <exception>
#include <vector>

#include "profiler/capture/cupti/shared_object.h"

namespace rooftop::capture {
namespace {

// CUPTI of CUDA 12.6, the first with the range profiler and PM sampling in the form called here.
constexpr std::uint32_t kOldestVersion = 24;
// CUDA 12's CUPTI counts its versions 18, 19, ...; from CUDA 13 on the number is 130000 and up.

std::vector<std::string> candidates() {
  std::vector<std::string> out;
  if (const char* named = std::getenv("ROOFTOP_CUPTI")) return {named};
  out.insert(out.end(), {"libcupti.so.13", "libcupti.so.12"});
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const char* home = std::getenv(variable)) {
      out.push_back(std::string(home) + "/extras/CUPTI/lib64/libcupti.so");
      out.push_back(std::string(home) + "/lib64/libcupti.so");
    }
  }
  out.insert(out.end(), {"/usr/local/cuda/extras/CUPTI/lib64/libcupti.so",
                         "/usr/local/cuda/lib64/libcupti.so", "libcupti.so"});
  return out;
}

CuptiLookup look_up() {
  static CuptiApi api;  // lives as long as the process, like the library's own threads
  const SharedObject library = open_shared("libcupti.so", candidates());
  if (library.handle == nullptr) {
    return {nullptr, Status::failed("CUPTI was not found (" + library.path +
                                    "): install CUDA's CUPTI, or name libcupti.so.13 with "
                                    "ROOFTOP_CUPTI")};
  }
  api.path = library.path;
  Status loaded = load_cupti(library.handle, api);
  if (!loaded.ok()) return {nullptr, std::move(loaded)};
  return {&api, {}};
}

}  // namespace

Status load_cupti(void* library, CuptiApi& api) noexcept try {
  const char* missing = nullptr;
#define ROOFTOP_RESOLVE(name) \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name));
#define ROOFTOP_NEED(name) \
  ROOFTOP_RESOLVE(name)    \
  if (api.name == nullptr && missing == nullptr) missing = #name;
  ROOFTOP_CUPTI_REQUIRED(ROOFTOP_NEED)
  ROOFTOP_CUPTI_OPTIONAL(ROOFTOP_RESOLVE)
#undef ROOFTOP_NEED
#undef ROOFTOP_RESOLVE
  const std::string where = api.path.empty() ? "the CUPTI library" : api.path;
  if (missing != nullptr)
    return Status::failed(where + " has no " + missing +
                          ": Rooftop needs CUPTI of CUDA 12.6 or newer");
  if (api.cuptiGetVersion(&api.version) != CUPTI_SUCCESS)
    return Status::failed(where + " does not tell its version");
  if (api.version < kOldestVersion)
    return Status::failed(where + " is of version " + std::to_string(api.version) +
                          ": Rooftop needs CUPTI of CUDA 12.6 or newer");
  return {};
} catch (const std::exception& e) {
  return Status::failed(std::string("CUPTI could not be loaded: ") + e.what());
}

const CuptiLookup& cupti() noexcept {
  static const CuptiLookup lookup = []() noexcept -> CuptiLookup {
    try {
      return look_up();
    } catch (const std::exception&) {
      return {nullptr, Status::failed("not enough memory to load CUPTI")};
    }
  }();
  return lookup;
}

bool CuptiApi::has_host() const noexcept {
  return cuptiProfilerHostInitialize != nullptr && cuptiProfilerHostDeinitialize != nullptr &&
         cuptiProfilerHostGetSupportedChips != nullptr &&
         cuptiProfilerHostGetBaseMetrics != nullptr &&
         cuptiProfilerHostConfigAddMetrics != nullptr &&
         cuptiProfilerHostGetConfigImageSize != nullptr &&
         cuptiProfilerHostGetConfigImage != nullptr && cuptiProfilerHostGetNumOfPasses != nullptr &&
         cuptiProfilerHostEvaluateToGpuValues != nullptr;
}

bool CuptiApi::has_ranges() const noexcept {
  return has_host() && cuptiProfilerInitialize != nullptr && cuptiDeviceGetChipName != nullptr &&
         cuptiProfilerGetCounterAvailability != nullptr && cuptiRangeProfilerEnable != nullptr &&
         cuptiRangeProfilerDisable != nullptr && cuptiRangeProfilerStart != nullptr &&
         cuptiRangeProfilerStop != nullptr && cuptiRangeProfilerSetConfig != nullptr &&
         cuptiRangeProfilerDecodeData != nullptr &&
         cuptiRangeProfilerGetCounterDataSize != nullptr &&
         cuptiRangeProfilerCounterDataImageInitialize != nullptr &&
         cuptiRangeProfilerGetCounterDataInfo != nullptr;
}

bool CuptiApi::has_sampling() const noexcept {
  return has_host() && cuptiProfilerInitialize != nullptr && cuptiDeviceGetChipName != nullptr &&
         cuptiPmSamplingGetCounterAvailability != nullptr && cuptiPmSamplingEnable != nullptr &&
         cuptiPmSamplingDisable != nullptr && cuptiPmSamplingSetConfig != nullptr &&
         cuptiPmSamplingStart != nullptr && cuptiPmSamplingStop != nullptr &&
         cuptiPmSamplingGetCounterDataSize != nullptr &&
         cuptiPmSamplingCounterDataImageInitialize != nullptr &&
         cuptiPmSamplingDecodeData != nullptr && cuptiPmSamplingGetCounterDataInfo != nullptr &&
         cuptiPmSamplingCounterDataGetSampleInfo != nullptr;
}

}  // namespace rooftop::capture
