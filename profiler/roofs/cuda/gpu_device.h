// gpu.h on the device: CUDA's own primitives and inline PTX (PTX ISA 8.x, sections "mma",
// "ldmatrix", "cp.async"). Its twin is tests/host_executor/cuda_on_host.h: what is added here is
// added there.
#pragma once

#include "profiler/roofs/cuda/check.h"

#define ROOFTOP_SHARED(type, name, dimensions) __shared__ type name dimensions
#define ROOFTOP_DYNAMIC_SHARED(carver)                                      \
  extern __shared__ __align__(1024) unsigned char rooftop_dynamic_shared[]; \
  ::rooftop::gpu::SharedCarver carver(rooftop_dynamic_shared)

namespace rooftop::gpu {

class SharedCarver {
 public:
  __device__ explicit SharedCarver(unsigned char* base) : next_(base) {}
  template <typename T>
  __device__ T* take(std::size_t count) {
    T* const taken = reinterpret_cast<T*>(next_);
    next_ += shared_bytes<T>(count);
    return taken;
  }

 private:
  unsigned char* next_;
};

__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

// d += a * b: m16n8k16, fp32 sums. a row-major 16x16 (4 registers), b column-major 16x8 (2), d 16x8
// (4): the fragment layouts of PTX's mma.m16n8k16.
template <typename T>
__device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                    std::uint32_t b1);
template <>
__device__ __forceinline__ void mma<bf16>(float (&d)[4], const std::uint32_t (&a)[4],
                                          std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void mma<f16>(float (&d)[4], const std::uint32_t (&a)[4],
                                         std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8x8 matrices of 16-bit values; lane i gives the address of row i % 8 of matrix i / 8, in
// shared memory, 16-byte aligned.
__device__ __forceinline__ void load_matrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrix_x4_transposed(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

// Starts a copy of 16 bytes into shared memory; zeros where not `valid` (then `from` is not read).
// Both addresses are 16-byte aligned. It is there after copy_async_wait and a barrier.
__device__ __forceinline__ void copy_async16(void* to_shared, const void* from, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to_shared)),
               "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most `kPending` of this thread's newest groups are on their way.
template <int kPending>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// 16 bytes that are read once (weights): past L1, and 128 bytes at a time into L2.
__device__ __forceinline__ uint4 load_once16(const void* from) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
}

// A kernel may use 48 KB of shared memory, static and dynamic together, without asking; more it is
// given by an attribute, which is only ever raised: graphs may hold an earlier, larger launch.
inline void reserve_shared(const Launch& where, const void* kernel) {
  constexpr std::size_t kNeverTooMuch = 16 * 1024;  // beside what static arrays kernels have
  if (where.shared_bytes <= kNeverTooMuch) return;
  cudaFuncAttributes attributes{};
  cuda::check(cudaFuncGetAttributes(&attributes, kernel),
              std::string("describe kernel ") + where.name);
  if (where.shared_bytes <= static_cast<std::size_t>(attributes.maxDynamicSharedSizeBytes)) return;
  cuda::check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(where.shared_bytes)),
              std::string("reserve shared memory for kernel ") + where.name);
}

template <typename... Parameters, typename... Arguments>
void launch(const Launch& where, void (*kernel)(Parameters...), Arguments... arguments) {
  reserve_shared(where, reinterpret_cast<const void*>(kernel));
  kernel<<<where.grid, where.block, where.shared_bytes, where.stream>>>(Parameters(arguments)...);
  cuda::check(cudaGetLastError(), std::string("start kernel ") + where.name);
}

}  // namespace rooftop::gpu
