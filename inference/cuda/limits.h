// What the CUDA kernels can run, and whether it fits on the card: the refusals, as sentences.
#pragma once

#include <cstdint>
#include <string>

#include "inference/backend.h"

namespace rooftop::inference::cuda {

struct DeviceLimits {
  std::string name;             // "cuda:0 (NVIDIA H200)"
  std::int32_t capability = 0;  // 10 * major + minor
  std::int32_t multiprocessors = 0;
  std::uint64_t free_bytes = 0;  // now
};

// Throws InputError where the kernels do not run this model on this device.
void check_supported(const Config& config, const BackendOptions& options,
                     const DeviceLimits& device);

// memory_need() and what this backend keeps besides: the SwiGLU product of prefill steps, the
// rotary table, and 512 MiB for cuBLASLt and for what attention's splits leave.
MemoryNeed cuda_memory_need(const Config& config, const BackendOptions& options);

// Throws InputError where `need` is more than is free.
void require_memory(const Config& config, const BackendOptions& options, const MemoryNeed& need,
                    const DeviceLimits& device);

// There seemed to be enough, but the driver said no.
[[noreturn]] void refuse_allocation(const Config& config, const BackendOptions& options,
                                    const MemoryNeed& need, const DeviceLimits& device);

}  // namespace rooftop::inference::cuda
