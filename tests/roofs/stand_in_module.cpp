// A module without CUDA, for the tests of the loader. STAND_IN_ABI is the interface that it claims;
// without it the library has no entry at all.
#include <cstdio>

#include "profiler/roofs/cuda/cuda_module.h"

#if defined(STAND_IN_ABI)

extern "C" {

static int device_count(uint32_t* count, char*, size_t) {
  *count = 2;
  return 0;
}

static int describe_device(uint32_t ordinal, RooftopCudaDevice* device, char* error, size_t size) {
  if (ordinal >= 2) {
    std::snprintf(error, size, "there is no CUDA device %u", ordinal);
    return 1;
  }
  *device = {};
  std::snprintf(device->name, sizeof device->name, "NVIDIA Stand-in");
  std::snprintf(device->driver, sizeof device->driver, "1.2.3, CUDA 13.0");
  device->memory_bytes = 1000;
  device->multiprocessors = 10 + ordinal;
  device->compute_major = 9;
  device->clock_hz = 1.5e9;
  device->memory_clock_hz = 2.5e9;
  return 0;
}

static int measure_roofs(uint32_t, double seconds, RooftopCudaProgress progress, void* user,
                         RooftopCudaRoof* roofs, size_t capacity, size_t* count, char* error,
                         size_t size) {
  if (seconds < 0) return 3;  // a failure that says nothing
  if (seconds > 100) {
    std::snprintf(error, size, "%0600d", 1);  // a sentence longer than the buffer
    return 1;
  }
  *count = capacity + 1;  // claims more than there was room for
  for (size_t i = 0; i < capacity; ++i) {
    if (progress != nullptr) progress("a roof", static_cast<double>(i), user);
    roofs[i] = {};
    for (char& c : roofs[i].kind) c = 'k';  // not terminated
    roofs[i].value = 1e9 * static_cast<double>(i + 1);
    roofs[i].clock_hz = 1e9;
    std::snprintf(roofs[i].method, sizeof roofs[i].method, "method");
  }
  return 0;
}

__attribute__((visibility("default"))) const RooftopCudaModule* rooftop_cuda_module(void) {
  static const RooftopCudaModule module = {STAND_IN_ABI, device_count, describe_device,
                                           measure_roofs};
  return &module;
}

}  // extern "C"

#endif
