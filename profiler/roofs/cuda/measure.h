// The bandwidths of one GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiler/roofs/cuda/cuda_module.h"

namespace rooftop::cuda {

// As RooftopCudaModule::measure_roofs; throws CudaError or std::runtime_error.
std::size_t measure_bandwidths(std::uint32_t ordinal, double seconds, RooftopCudaProgress progress,
                               void* user, RooftopCudaRoof* roofs, std::size_t capacity);

// The PCI address that NVML knows a device by. Throws CudaError.
struct PciAddress {
  char text[32] = {};
};
PciAddress pci_address(int device);

}  // namespace rooftop::cuda
