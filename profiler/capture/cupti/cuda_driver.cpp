#include "profiler/capture/cupti/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <exception>

#include "profiler/capture/cupti/shared_object.h"

namespace rooftop::capture {
namespace {

CudaDriverLookup look_up() {
  static CudaDriver driver;
  const SharedObject library = open_shared("libcuda.so", {"libcuda.so.1"});
  if (library.handle == nullptr)
    return {nullptr, Status::failed("no NVIDIA driver was found (libcuda.so.1): run this on a "
                                    "machine with a GPU")};
  const char* missing = nullptr;
#define ROOFTOP_RESOLVE(name, symbol)                                                    \
  driver.name = reinterpret_cast<decltype(driver.name)>(dlsym(library.handle, #symbol)); \
  if (driver.name == nullptr && missing == nullptr) missing = #symbol;
  ROOFTOP_DRIVER_FUNCTIONS(ROOFTOP_RESOLVE)
#undef ROOFTOP_RESOLVE
  if (missing != nullptr)
    return {nullptr,
            Status::failed(library.path + " has no " + missing + ": update the NVIDIA driver")};
  return {&driver, {}};
}

}  // namespace

const CudaDriverLookup& cuda_driver() noexcept {
  static const CudaDriverLookup lookup = []() noexcept -> CudaDriverLookup {
    try {
      return look_up();
    } catch (const std::exception&) {
      return {nullptr, Status::failed("not enough memory to load the NVIDIA driver")};
    }
  }();
  return lookup;
}

DeviceInfo describe_device(const CudaDriver& driver, CUdevice device) {
  DeviceInfo out;
  out.kind = DeviceKind::kCuda;
  out.ordinal = static_cast<std::uint32_t>(device);
  std::array<char, 256> name{};
  if (driver.cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, device) ==
      CUDA_SUCCESS)
    out.name = name.data();
  const auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    return driver.cuDeviceGetAttribute(&value, which, device) == CUDA_SUCCESS && value > 0 ? value
                                                                                           : 0;
  };
  out.multiprocessors =
      static_cast<std::uint32_t>(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  out.compute_major =
      static_cast<std::uint32_t>(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  out.compute_minor =
      static_cast<std::uint32_t>(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  out.clock_hz = attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE) * 1e3;
  out.memory_clock_hz = attribute(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE) * 1e3;
  std::size_t bytes = 0;
  if (driver.cuDeviceTotalMem(&bytes, device) == CUDA_SUCCESS) out.memory_bytes = bytes;
  int version = 0;
  if (driver.cuDriverGetVersion(&version) == CUDA_SUCCESS)
    out.driver =
        "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  return out;
}

}  // namespace rooftop::capture
