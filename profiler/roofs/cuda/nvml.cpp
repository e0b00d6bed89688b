#include "profiler/roofs/cuda/nvml.h"

#include <dlfcn.h>

#include "profiler/roofs/cuda/check.h"

namespace rooftop::cuda {
namespace {

// From NVIDIA's nvml.h, which toolkits do not always have: these never changed.
using NvmlDevice = struct nvmlDevice_st*;
constexpr int kSuccess = 0;
constexpr int kClockSm = 1;
constexpr int kClockMemory = 2;
constexpr int kTemperatureGpu = 0;
constexpr unsigned kVersionBytes = 80;  // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE

template <class Function>
Function symbol(void* library, const char* name) {
  return library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

Nvml::Nvml() : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  const auto init = symbol<int (*)()>(library_, "nvmlInit_v2");
  ready_ = init != nullptr && init() == kSuccess;
}

Nvml::~Nvml() {
  if (const auto shutdown = symbol<int (*)()>(library_, "nvmlShutdown"); ready_ && shutdown) {
    shutdown();
  }
  if (library_ != nullptr) dlclose(library_);
}

Nvml::State Nvml::state(const std::string& pci_bus_id) const {
  if (!ready_) return {};
  const auto by_address =
      symbol<int (*)(const char*, NvmlDevice*)>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  const auto clock_of =
      symbol<int (*)(NvmlDevice, int, unsigned*)>(library_, "nvmlDeviceGetClockInfo");
  NvmlDevice device = nullptr;
  if (by_address == nullptr || clock_of == nullptr ||
      by_address(pci_bus_id.c_str(), &device) != kSuccess) {
    return {};
  }
  const auto read = [&](int domain) {
    unsigned megahertz = 0;
    return clock_of(device, domain, &megahertz) == kSuccess ? megahertz * 1e6 : 0.0;
  };
  State state{read(kClockSm), read(kClockMemory), 0};
  const auto temperature_of =
      symbol<int (*)(NvmlDevice, int, unsigned*)>(library_, "nvmlDeviceGetTemperature");
  unsigned celsius = 0;
  if (temperature_of != nullptr && temperature_of(device, kTemperatureGpu, &celsius) == kSuccess) {
    state.temperature_c = celsius;
  }
  return state;
}

std::string Nvml::driver_version() const {
  const auto version = symbol<int (*)(char*, unsigned)>(library_, "nvmlSystemGetDriverVersion");
  char text[kVersionBytes] = {};
  if (!ready_ || version == nullptr || version(text, kVersionBytes) != kSuccess) return {};
  text[kVersionBytes - 1] = '\0';
  return text;
}

PciAddress pci_address(int device) {
  PciAddress address;
  check(cudaDeviceGetPCIBusId(address.text, sizeof address.text, device),
        "tell the PCI address of device " + std::to_string(device));
  return address;
}

}  // namespace rooftop::cuda
