#include "profiler/plugin/driver_state.h"

#include <dlfcn.h>

namespace rooftop::plugin {

bool driver_is_ready() noexcept {
  static int (*device_count)(int*) = nullptr;  // cuDeviceGetCount
  if (device_count == nullptr) {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (driver == nullptr) return false;
    device_count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
    if (device_count == nullptr) return false;
  }
  int count = 0;
  return device_count(&count) == 0;  // CUDA_ERROR_NOT_INITIALIZED before
}

}  // namespace rooftop::plugin
