// gpu.h on the host: the twin of profiler/roofs/cuda/gpu_device.h, name for name.
#pragma once

// IWYU pragma: private, include "profiler/roofs/cuda/gpu.h"

#include <vector_functions.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tests/host_executor/cuda_math.h"
#include "tests/host_executor/cuda_names.h"
#include "tests/host_executor/executor.h"

// Blocks run one at a time, so that a function's static array serves each in turn.
#define ROOFTOP_SHARED(type, name, dimensions) \
  static type name dimensions;                 \
  ::rooftop::host_executor::declare_shared(static_cast<void*>(&name), sizeof(name))
#define ROOFTOP_DYNAMIC_SHARED(carver) ::rooftop::gpu::SharedCarver carver

namespace rooftop::gpu {

using host_executor::Site;

class SharedCarver {
 public:
  template <typename T>
  T* take(std::size_t count, Site site = Site::current()) {
    void* const taken = host_executor::take_shared(arrays_, offset_, count * sizeof(T), site);
    ++arrays_;
    offset_ += shared_bytes<T>(count);
    return static_cast<T*>(taken);
  }

 private:
  std::size_t arrays_ = 0;
  std::size_t offset_ = 0;
};

inline void require_aligned16(const void* address, const char* instruction, Site site) {
  if (reinterpret_cast<std::uintptr_t>(address) % 16 == 0) return;
  host_executor::fail(site, "%s: the address is not 16-byte aligned", instruction);
}

template <typename T>
void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
         Site site = Site::current()) {
  static_assert(std::is_same_v<T, bf16> || std::is_same_v<T, f16>);
  const std::uint32_t b[2] = {b0, b1};
  host_executor::matrix_multiply(d, a, b, std::is_same_v<T, bf16>, site);
}

// The row is read here, where sanitizers see the kernel read it.
inline void load_matrix(std::uint32_t (&r)[4], const void* row, bool transposed, Site site) {
  host_executor::require_shared(row, 16, "ldmatrix", site);
  require_aligned16(row, "ldmatrix", site);
  host_executor::load_matrices(r, *static_cast<const uint4*>(row), transposed, site);
}
inline void load_matrix_x4(std::uint32_t (&r)[4], const void* row, Site site = Site::current()) {
  load_matrix(r, row, false, site);
}
inline void load_matrix_x4_transposed(std::uint32_t (&r)[4], const void* row,
                                      Site site = Site::current()) {
  load_matrix(r, row, true, site);
}

inline void copy_async16(void* to_shared, const void* from, bool valid,
                         Site site = Site::current()) {
  host_executor::issue_copy16(to_shared, from, valid, site);
}
inline void copy_async_commit() { host_executor::commit_copies(); }
template <int kPending>
void copy_async_wait() {
  host_executor::wait_for_copies(kPending);
}

inline uint4 load_once16(const void* from, Site site = Site::current()) {
  require_aligned16(from, "load_once16", site);
  return *static_cast<const uint4*>(from);
}

template <typename... Parameters, typename... Arguments>
void launch(const Launch& where, void (*kernel)(Parameters...), Arguments... arguments) {
  const host_executor::KernelLaunch kernel_launch{where.name, where.grid, where.block,
                                                  where.shared_bytes,
                                                  [=] { kernel(Parameters(arguments)...); }};
  host_executor::enqueue(where.stream, [=] { host_executor::run_kernel(kernel_launch); });
}

}  // namespace rooftop::gpu
