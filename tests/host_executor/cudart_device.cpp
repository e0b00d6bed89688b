// Devices, versions and errors of the host's CUDA runtime.
#include <cstdio>
#include <cstring>
#include <utility>

#include "tests/host_executor/cudart_state.h"

namespace rooftop::host_executor {
namespace {

constexpr int kSharedPerMultiprocessor = 100 * 1024;
constexpr int kSharedPerBlock = 99 * 1024;  // of which 1 KiB is CUDA's
constexpr int kSharedWithoutAsking = 48 * 1024;
constexpr int kL2Bytes = 4 << 20;
constexpr int kThreadsPerBlock = 1024;
constexpr int kThreadsPerMultiprocessor = 1536;

struct ErrorText {
  cudaError_t code;
  const char* name;
  const char* text;
};
constexpr ErrorText kErrorTexts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation is not legal in this state"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent", "the event was recorded while capturing"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
};

const ErrorText* find(cudaError_t code) {
  for (const ErrorText& text : kErrorTexts) {
    if (text.code == code) return &text;
  }
  return nullptr;
}

bool exists(int device) { return device >= 0 && device < runtime().device.count; }

}  // namespace

Runtime& runtime() {
  static Runtime the_runtime;
  return the_runtime;
}

cudaError_t result(cudaError_t code) {
  if (code != cudaSuccess) runtime().last_error = code;
  return code;
}

void set_device(const Device& device) { runtime().device = device; }

std::size_t device_bytes_in_use() { return runtime().device_memory.bytes(); }

std::size_t handles_in_use() { return runtime().streams.size() + runtime().other_handles; }

}  // namespace rooftop::host_executor

using namespace rooftop::host_executor;  // NOLINT(google-build-using-namespace)

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = runtime().device.count;
  return result(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return result(exists(0) ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device) {
  return result(exists(device) ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!exists(device)) return result(cudaErrorInvalidDevice);
  const Device& d = runtime().device;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "Host executor");
  properties->totalGlobalMem = d.memory_bytes;
  properties->multiProcessorCount = d.multiprocessors;
  properties->major = d.compute_capability / 10;
  properties->minor = d.compute_capability % 10;
  properties->warpSize = 32;
  properties->sharedMemPerBlock = kSharedWithoutAsking;
  properties->sharedMemPerBlockOptin = kSharedPerBlock;
  properties->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  properties->maxThreadsPerBlock = kThreadsPerBlock;
  properties->maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  properties->l2CacheSize = kL2Bytes;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!exists(device)) return result(cudaErrorInvalidDevice);
  const Device& d = runtime().device;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = d.multiprocessors;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = d.compute_capability / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = d.compute_capability % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = kSharedWithoutAsking;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = kSharedPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = kSharedPerMultiprocessor;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = kThreadsPerBlock;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = kThreadsPerMultiprocessor;
      break;
    case cudaDevAttrL2CacheSize:
      *value = kL2Bytes;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;
      break;  // kHz
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = 128;
      break;
    default:
      return result(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  if (!exists(device)) return result(cudaErrorInvalidDevice);
  std::snprintf(id, static_cast<std::size_t>(length), "0000:00:%02x.0", device);
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = runtime().device.driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* /*function*/, cudaFuncAttribute attribute, int value) {
  const bool fits =
      attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value <= kSharedPerBlock;
  return result(fits ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetLastError() { return std::exchange(runtime().last_error, cudaSuccess); }

cudaError_t cudaPeekAtLastError() { return runtime().last_error; }

const char* cudaGetErrorString(cudaError_t code) {
  const ErrorText* const found = find(code);
  return found == nullptr ? "unrecognized error code" : found->text;
}

const char* cudaGetErrorName(cudaError_t code) {
  const ErrorText* const found = find(code);
  return found == nullptr ? "unrecognized error code" : found->name;
}

}  // extern "C"
