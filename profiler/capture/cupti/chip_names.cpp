#include "profiler/capture/cupti/chip_names.h"

#include <mutex>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {

namespace {

struct TargetSide {
  std::mutex mutex;
  const CuptiApi* started = nullptr;  // null: not started
  int owners = 0;
};

// Never destroyed: a session may end while the process does.
TargetSide& target_side() noexcept {
  static auto* instance = new TargetSide;
  return *instance;
}

Status start_once(const CuptiApi& api, TargetSide& side) {
  if (side.started == &api) return {};
  if (api.cuptiProfilerInitialize == nullptr || api.cuptiDeviceGetChipName == nullptr)
    return Status::failed("this CUPTI has no profiler: Rooftop needs CUPTI of CUDA 12.6 or newer");
  CUpti_Profiler_Initialize_Params params{};
  params.structSize = CUpti_Profiler_Initialize_Params_STRUCT_SIZE;
  if (const CUptiResult code = api.cuptiProfilerInitialize(&params); code != CUPTI_SUCCESS)
    return refused(api, code, "cuptiProfilerInitialize");
  side.started = &api;
  side.owners = 0;
  return {};
}

}  // namespace

const CuptiApi* find_cupti(Status& why) {
  const CuptiLookup& lookup = cupti();
  why = lookup.why;
  return lookup.api;
}

Status initialize_profiler(const CuptiApi& api) {
  TargetSide& side = target_side();
  const std::lock_guard lock(side.mutex);
  if (Status status = start_once(api, side); !status.ok()) return status;
  ++side.owners;
  return {};
}

void deinitialize_profiler(const CuptiApi& api) noexcept {
  TargetSide& side = target_side();
  const std::lock_guard lock(side.mutex);
  if (side.started != &api || --side.owners > 0) return;
  side.started = nullptr;
  if (api.cuptiProfilerDeInitialize == nullptr) return;
  CUpti_Profiler_DeInitialize_Params params{};
  params.structSize = CUpti_Profiler_DeInitialize_Params_STRUCT_SIZE;
  (void)api.cuptiProfilerDeInitialize(&params);
}

Status chip_name(const CuptiApi& api, std::uint32_t ordinal, std::string& chip) {
  CUpti_Device_GetChipName_Params params{};
  params.structSize = CUpti_Device_GetChipName_Params_STRUCT_SIZE;
  params.deviceIndex = ordinal;
  if (const CUptiResult code = api.cuptiDeviceGetChipName(&params); code != CUPTI_SUCCESS)
    return refused(api, code, "cuptiDeviceGetChipName");
  chip = params.pChipName == nullptr ? "" : params.pChipName;
  return {};
}

Status machine_chips(const CuptiApi& api, const CudaDriver& driver,
                     std::vector<MachineChip>& chips) {
  if (driver.cuInit(0) != CUDA_SUCCESS)
    return Status::failed("the NVIDIA driver finds no GPU: see rooftop doctor");
  int count = 0;
  if (driver.cuDeviceGetCount(&count) != CUDA_SUCCESS || count == 0)
    return Status::failed("the NVIDIA driver finds no GPU: see rooftop doctor");
  Status status;
  {
    TargetSide& side = target_side();
    const std::lock_guard lock(side.mutex);
    status = start_once(api, side);
  }
  for (int i = 0; i < count && status.ok(); ++i) {
    CUdevice device = 0;
    if (driver.cuDeviceGet(&device, i) != CUDA_SUCCESS) continue;
    MachineChip entry{.ordinal = static_cast<std::uint32_t>(i),
                      .name = describe_device(driver, device).name,
                      .chip = {}};
    status = chip_name(api, entry.ordinal, entry.chip);
    if (status.ok()) chips.push_back(std::move(entry));
  }
  return status;
}

Status machine_chips(const CuptiApi& api, std::vector<MachineChip>& chips) {
  const CudaDriverLookup& lookup = cuda_driver();
  return lookup.driver == nullptr ? lookup.why : machine_chips(api, *lookup.driver, chips);
}

}  // namespace rooftop::capture
