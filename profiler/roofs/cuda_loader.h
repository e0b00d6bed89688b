// The CUDA module as the command sees it: loaded on demand, or one sentence why not. Needs no CUDA
// header and no driver: part of every build.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/roofs/cuda/cuda_module.h"
#include "profiler/roofs/roof_measurement.h"

namespace rooftop {

// A module of the CUDA build ("rooftop_cuda.so"): beside the running program, or where it was
// installed to. Empty where there is none.
std::filesystem::path find_cuda_module(std::string_view file);

struct CudaModuleLoad {
  const RooftopCudaModule* module = nullptr;  // stays loaded for good
  std::uint32_t devices = 0;                  // at least 1 where there is a module
  std::string why_not;                        // one sentence; empty where there is a module
};

// Loads rooftop_cuda.so from beside the running program, or from where it was installed to, and
// asks it for its devices. Where there is no module, no driver, an old driver or no device,
// `why_not` says which, and how to mend it. Never throws for any of these.
CudaModuleLoad load_cuda_module();
// The same for one file.
CudaModuleLoad load_cuda_module(const std::filesystem::path& path);

// A device as a trace's Meta describes it (table_id is left to who knows the device table). Throws
// InputError with the module's sentence.
DeviceInfo describe_cuda_device(const RooftopCudaModule& module, std::uint32_t ordinal);

// Bandwidths of DRAM and L2 (dram_read, dram_write, dram_copy, l2_read, l2_write), then "compute"
// of each type. Throws InputError with the module's sentence.
std::vector<RoofMeasurement> measure_cuda_roofs(
    const RooftopCudaModule& module, std::uint32_t ordinal, double seconds,
    const std::function<void(std::string_view what, double done)>& progress = {});

}  // namespace rooftop
