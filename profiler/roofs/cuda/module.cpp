// The module's function table: C outside, exceptions inside.
#include <cuda_runtime_api.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "profiler/roofs/cuda/check.h"
#include "profiler/roofs/cuda/cuda_module.h"
#include "profiler/roofs/cuda/gemm_roofs.h"
#include "profiler/roofs/cuda/measure.h"
#include "profiler/roofs/cuda/nvml.h"

namespace rooftop::cuda {
namespace {

// "13.0" of 13000, as CUDA numbers its versions.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int driver_cuda_version() {
  int version = 0;
  check(cudaDriverGetVersion(&version), "tell the driver's version");
  return version;
}

// Throws with the sentence that the user reads where there is no usable device.
std::uint32_t usable_devices() {
  int needed = 0;
  check(cudaRuntimeGetVersion(&needed), "tell its own version");
  const int driver = driver_cuda_version();
  if (driver == 0) {
    throw std::runtime_error("no NVIDIA driver was found on this machine: CUDA " +
                             version_text(needed) + " needs one, version 580 or newer");
  }
  // Within one major version an older driver serves a newer toolkit.
  if (driver / 1000 < needed / 1000) {
    throw std::runtime_error("the NVIDIA driver is too old: it supports CUDA " +
                             version_text(driver) + ", and this module was built with CUDA " +
                             version_text(needed) + "; update the driver to version 580 or newer");
  }
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) {
    (void)cudaGetLastError();
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    throw std::runtime_error(
        visible == nullptr
            ? std::string("no CUDA device was found, although a driver is installed")
            : "no CUDA device can be seen: CUDA_VISIBLE_DEVICES is '" + std::string(visible) + "'");
  }
  check(code, "count the devices");
  return static_cast<std::uint32_t>(count);
}

void require_device(std::uint32_t ordinal) {
  if (const std::uint32_t count = usable_devices(); ordinal >= count) {
    throw std::runtime_error("there is no CUDA device " + std::to_string(ordinal) +
                             ": devices are numbered from 0 to " + std::to_string(count - 1));
  }
}

RooftopCudaDevice describe(std::uint32_t ordinal) {
  require_device(ordinal);
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, static_cast<int>(ordinal)), "describe the device");
  RooftopCudaDevice device{};
  std::snprintf(device.name, sizeof device.name, "%s", properties.name);
  device.memory_bytes = properties.totalGlobalMem;
  device.l2_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
  device.multiprocessors = static_cast<std::uint32_t>(properties.multiProcessorCount);
  device.compute_major = static_cast<std::uint32_t>(properties.major);
  device.compute_minor = static_cast<std::uint32_t>(properties.minor);
  const Nvml nvml;
  const Nvml::State clocks = nvml.state(pci_address(static_cast<int>(ordinal)).text);
  device.clock_hz = clocks.sm_hz;
  device.memory_clock_hz = clocks.memory_hz;
  const std::string driver = nvml.driver_version();
  const std::string cuda = version_text(driver_cuda_version());
  std::snprintf(device.driver, sizeof device.driver, "%s%sCUDA %s", driver.c_str(),
                driver.empty() ? "" : ", ", cuda.c_str());
  return device;
}

// Runs `work`; an exception becomes its sentence and a result of 1.
template <class Work>
int guarded(char* error, std::size_t error_size, const Work& work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::exception& exception) {
    std::snprintf(error, error_size, "%s", exception.what());
  } catch (...) {
    std::snprintf(error, error_size, "the CUDA module failed without a reason");
  }
  return 1;
}

}  // namespace
}  // namespace rooftop::cuda

extern "C" {

static int rooftop_device_count(std::uint32_t* count, char* error, std::size_t error_size) {
  return rooftop::cuda::guarded(error, error_size,
                                [&] { *count = rooftop::cuda::usable_devices(); });
}

static int rooftop_describe_device(std::uint32_t ordinal, RooftopCudaDevice* device, char* error,
                                   std::size_t error_size) {
  return rooftop::cuda::guarded(error, error_size,
                                [&] { *device = rooftop::cuda::describe(ordinal); });
}

static int rooftop_measure_roofs(std::uint32_t ordinal, double seconds,
                                 RooftopCudaProgress progress, void* user, RooftopCudaRoof* roofs,
                                 std::size_t capacity, std::size_t* count, char* error,
                                 std::size_t error_size) {
  return rooftop::cuda::guarded(error, error_size, [&] {
    if (!std::isfinite(seconds) || seconds < 0 || seconds > 3600) {
      throw std::runtime_error("a measurement takes between 0 and 3600 seconds");
    }
    rooftop::cuda::require_device(ordinal);
    // Bandwidths and matrix products get half of the time each.
    using namespace rooftop::cuda;
    const RoofProgress report{progress, user};
    *count = measure_bandwidths(ordinal, seconds / 2, report.part(0, 0.5), roofs, capacity);
    *count +=
        measure_gemms(ordinal, seconds / 2, report.part(0.5, 1), roofs + *count, capacity - *count);
  });
}

__attribute__((visibility("default"))) const RooftopCudaModule* rooftop_cuda_module(void) {
  static const RooftopCudaModule module = {ROOFTOP_CUDA_MODULE_ABI, rooftop_device_count,
                                           rooftop_describe_device, rooftop_measure_roofs};
  return &module;
}

}  // extern "C"
