// Memory of the host's CUDA runtime: allocation, copies, fills.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/host_executor/cudart_state.h"

namespace rooftop::host_executor {

void* Allocations::allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 256;  // as cudaMalloc's
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, bytes) != 0) return nullptr;
  std::memset(memory, 0xFF, bytes);
  blocks_.emplace(static_cast<const char*>(memory), bytes);
  bytes_ += bytes;
  return memory;
}

bool Allocations::release(void* memory) {
  const auto found = blocks_.find(static_cast<const char*>(memory));
  if (found == blocks_.end()) return false;
  bytes_ -= found->second;
  blocks_.erase(found);
  std::free(memory);
  return true;
}

bool Allocations::hold(const void* memory, std::size_t bytes) const {
  const auto* const first = static_cast<const char*>(memory);
  auto block = blocks_.upper_bound(first);
  if (block == blocks_.begin()) return false;
  --block;
  return first + bytes <= block->first + block->second && first < block->first + block->second;
}

namespace {

// Device memory where the direction says so, host memory elsewhere.
bool direction_fits(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Allocations& device = runtime().device_memory;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !device.touch(to) && !device.touch(from);
    case cudaMemcpyHostToDevice:
      return device.hold(to, bytes) && !device.touch(from);
    case cudaMemcpyDeviceToHost:
      return !device.touch(to) && device.hold(from, bytes);
    case cudaMemcpyDeviceToDevice:
      return device.hold(to, bytes) && device.hold(from, bytes);
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

bool pageable(const void* memory) {
  return !runtime().device_memory.touch(memory) && !runtime().pinned_memory.touch(memory);
}

bool capturing(cudaStream_t stream) {
  return stream != nullptr && stream->capture != CUstream_st::Capture::kNone;
}

}  // namespace
}  // namespace rooftop::host_executor

using namespace rooftop::host_executor;  // NOLINT(google-build-using-namespace)

extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (memory == nullptr) return result(cudaErrorInvalidValue);
  *memory = nullptr;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  Runtime& r = runtime();
  const std::size_t used = r.device_memory.bytes();
  if (used > r.device.memory_bytes || bytes > r.device.memory_bytes - used) {
    return result(cudaErrorMemoryAllocation);
  }
  *memory = r.device_memory.allocate(bytes);
  return result(*memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  drain_all();  // as CUDA, which waits for the device
  return result(runtime().device_memory.release(memory) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  if (memory == nullptr) return result(cudaErrorInvalidValue);
  *memory = nullptr;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  *memory = runtime().pinned_memory.allocate(bytes);
  return result(*memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  drain_all();
  return result(runtime().pinned_memory.release(memory) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Runtime& r = runtime();
  const std::size_t used = r.device_memory.bytes();
  *total = r.device.memory_bytes;
  *free = used > *total ? 0 : *total - used;
  return cudaSuccess;
}

// Pageable host memory is read before the call returns, and written before it returns.
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!direction_fits(to, from, bytes, kind)) return result(cudaErrorInvalidValue);
  if (!capturing(stream) && pageable(from)) {
    const auto* const first = static_cast<const char*>(from);
    const auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    add_work(stream, [=] { std::memcpy(to, staged->data(), bytes); });
  } else {
    add_work(stream, [=] { std::memcpy(to, from, bytes); });
  }
  if (!capturing(stream) && pageable(to)) drain(stream);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  if (!direction_fits(to, from, bytes, kind)) return result(cudaErrorInvalidValue);
  drain(nullptr);
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!runtime().device_memory.hold(memory, bytes)) return result(cudaErrorInvalidValue);
  add_work(stream, [=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

}  // extern "C"
