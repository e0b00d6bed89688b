// Conversions and small collectives that kernels share; the same source on both sides of gpu.h.
#pragma once

// IWYU pragma: private, include "profiler/roofs/cuda/gpu.h"

namespace rooftop::gpu {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;
inline constexpr float kLog2E = 1.4426950408889634f;

__device__ inline float to_float(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_float(f16 x) { return __half2float(x); }

template <typename T>
__device__ inline T from_float(float x);
template <>
__device__ inline bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline f16 from_float<f16>(float x) {
  return __float2half_rn(x);
}

// Two values in one register: the first in the low half.
template <typename T>
__device__ inline float2 unpack2(std::uint32_t packed);
template <>
__device__ inline float2 unpack2<bf16>(std::uint32_t packed) {
  return make_float2(__uint_as_float(packed << 16), __uint_as_float(packed & 0xFFFF0000u));
}
template <>
__device__ inline float2 unpack2<f16>(std::uint32_t packed) {
  __half_raw low;
  __half_raw high;
  low.x = static_cast<unsigned short>(packed & 0xFFFFu);
  high.x = static_cast<unsigned short>(packed >> 16);
  return make_float2(__half2float(f16(low)), __half2float(f16(high)));
}

template <typename T>
__device__ inline std::uint32_t pack2(float low, float high);
template <>
__device__ inline std::uint32_t pack2<bf16>(float low, float high) {
  const __nv_bfloat16_raw a = __float2bfloat16_rn(low);
  const __nv_bfloat16_raw b = __float2bfloat16_rn(high);
  return static_cast<std::uint32_t>(a.x) | (static_cast<std::uint32_t>(b.x) << 16);
}
template <>
__device__ inline std::uint32_t pack2<f16>(float low, float high) {
  const __half_raw a = __float2half_rn(low);
  const __half_raw b = __float2half_rn(high);
  return static_cast<std::uint32_t>(a.x) | (static_cast<std::uint32_t>(b.x) << 16);
}

// The eight values of 16 bytes.
template <typename T>
__device__ inline void unpack8(const uint4& packed, float (&out)[8]) {
  const std::uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = unpack2<T>(words[i]);
    out[2 * i] = pair.x;
    out[2 * i + 1] = pair.y;
  }
}
template <typename T>
__device__ inline uint4 pack8(const float (&in)[8]) {
  return make_uint4(pack2<T>(in[0], in[1]), pack2<T>(in[2], in[3]), pack2<T>(in[4], in[5]),
                    pack2<T>(in[6], in[7]));
}

// Sum and maximum over the warp, in every lane. All lanes must call.
__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(kAllLanes, x, distance);
  }
  return x;
}
__device__ inline float warp_max(float x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, distance));
  }
  return x;
}

}  // namespace rooftop::gpu
