// CUDA's own names, as a kernel uses them: where a thread is, barriers, shuffles, votes, accesses
// with cache hints, atomics. In the global namespace, as in CUDA.
#pragma once

// IWYU pragma: private, include "profiler/roofs/cuda/gpu.h"

#include <vector_types.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tests/host_executor/executor.h"

// A shared array is declared by ROOFTOP_SHARED: CUDA's keyword, empty here, would make a local one.
#undef __shared__
#undef __launch_bounds__
#define __launch_bounds__(...)

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

namespace rooftop::host_executor {

// Values of up to eight bytes travel between lanes as bits.
template <typename T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

// *target = update(*target), atomically; the value that was there.
template <typename T, typename Update>
T atomic_update(T* target, Update update) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  static_assert(sizeof(T) == sizeof(Bits));
  auto* const word = reinterpret_cast<Bits*>(target);
  Bits seen = __atomic_load_n(word, __ATOMIC_RELAXED);
  for (;;) {
    const T old = from_bits<T>(seen);
    const auto wanted = static_cast<Bits>(to_bits<T>(update(old)));
    if (__atomic_compare_exchange_n(word, &seen, wanted, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
      return old;
    }
  }
}

}  // namespace rooftop::host_executor

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): these are CUDA's names.

using rooftop_site = rooftop::host_executor::Site;

inline void __syncthreads(rooftop_site site = rooftop_site::current()) {
  rooftop::host_executor::block_barrier(false, site);
}
inline int __syncthreads_count(int predicate, rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::block_barrier(predicate != 0, site);
}
inline int __syncthreads_or(int predicate, rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::block_barrier(predicate != 0, site) != 0;
}
inline int __syncthreads_and(int predicate, rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::block_barrier(predicate == 0, site) == 0;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, rooftop_site site = rooftop_site::current()) {
  rooftop::host_executor::warp_barrier(mask, site);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              rooftop_site site = rooftop_site::current()) {
  namespace host = rooftop::host_executor;
  return host::from_bits<T>(
      host::warp_shuffle(mask, host::to_bits(value), host::Shuffle::kIndex, source, width, site));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                 rooftop_site site = rooftop_site::current()) {
  namespace host = rooftop::host_executor;
  return host::from_bits<T>(host::warp_shuffle(mask, host::to_bits(value), host::Shuffle::kUp,
                                               static_cast<int>(distance), width, site));
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = warpSize,
                   rooftop_site site = rooftop_site::current()) {
  namespace host = rooftop::host_executor;
  return host::from_bits<T>(host::warp_shuffle(mask, host::to_bits(value), host::Shuffle::kDown,
                                               static_cast<int>(distance), width, site));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  rooftop_site site = rooftop_site::current()) {
  namespace host = rooftop::host_executor;
  return host::from_bits<T>(
      host::warp_shuffle(mask, host::to_bits(value), host::Shuffle::kXor, lane_mask, width, site));
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::warp_ballot(mask, predicate != 0, site);
}
inline int __any_sync(unsigned mask, int predicate, rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::warp_ballot(mask, predicate != 0, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, rooftop_site site = rooftop_site::current()) {
  return rooftop::host_executor::warp_ballot(mask, predicate == 0, site) == 0;
}

// As in CUDA: of int and unsigned; and, or and xor of unsigned alone.
#define ROOFTOP_WARP_REDUCTION(name, type, kind)                                                 \
  inline type name(unsigned mask, type value, rooftop_site site = rooftop_site::current()) {     \
    return static_cast<type>(rooftop::host_executor::warp_reduce(                                \
        mask, static_cast<std::int64_t>(value), rooftop::host_executor::Reduction::kind, site)); \
  }
ROOFTOP_WARP_REDUCTION(__reduce_add_sync, int, kAdd)
ROOFTOP_WARP_REDUCTION(__reduce_add_sync, unsigned, kAdd)
ROOFTOP_WARP_REDUCTION(__reduce_min_sync, int, kMin)
ROOFTOP_WARP_REDUCTION(__reduce_min_sync, unsigned, kMin)
ROOFTOP_WARP_REDUCTION(__reduce_max_sync, int, kMax)
ROOFTOP_WARP_REDUCTION(__reduce_max_sync, unsigned, kMax)
ROOFTOP_WARP_REDUCTION(__reduce_and_sync, unsigned, kAnd)
ROOFTOP_WARP_REDUCTION(__reduce_or_sync, unsigned, kOr)
ROOFTOP_WARP_REDUCTION(__reduce_xor_sync, unsigned, kXor)
#undef ROOFTOP_WARP_REDUCTION

// Cache hints change nothing here; blocks run one after the other, so fences have nothing to order.
template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
T __ldcs(const T* from) {
  return *from;
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
T __ldca(const T* from) {
  return *from;
}
template <typename T>
void __stcs(T* to, T value) {
  *to = value;
}
template <typename T>
void __stcg(T* to, T value) {
  *to = value;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T atomicAdd(T* target, std::type_identity_t<T> value) {
  return rooftop::host_executor::atomic_update(target, [&](T old) { return old + value; });
}
template <typename T>
T atomicMax(T* target, std::type_identity_t<T> value) {
  return rooftop::host_executor::atomic_update(target,
                                               [&](T old) { return old < value ? value : old; });
}
template <typename T>
T atomicMin(T* target, std::type_identity_t<T> value) {
  return rooftop::host_executor::atomic_update(target,
                                               [&](T old) { return value < old ? value : old; });
}
template <typename T>
T atomicExch(T* target, std::type_identity_t<T> value) {
  return rooftop::host_executor::atomic_update(target, [&](T) { return value; });
}
template <typename T>
T atomicCAS(T* target, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return rooftop::host_executor::atomic_update(
      target, [&](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned* target, unsigned limit) {
  return rooftop::host_executor::atomic_update(
      target, [&](unsigned old) { return old >= limit ? 0 : old + 1; });
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
