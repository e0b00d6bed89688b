// Reading and writing rows of T, several values at a time.
#pragma once

#include <cstdint>
#include <type_traits>

#include "inference/backend.h"
#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::inference::cuda {

// kWidth values of T between memory, aligned to all of them, and fp32 registers. Rows whose length
// is no multiple of 8 have a narrower width.
template <typename T, int kWidth>
struct Pack {
  using Word = std::conditional_t<kWidth == 8, uint4, uint2>;
  static_assert(kWidth == 8 || kWidth == 4, "16 or 8 bytes");

  __device__ static void read(const T* from, float (&values)[kWidth]) {
    const Word packed = *reinterpret_cast<const Word*>(from);
    const auto* const words = reinterpret_cast<const std::uint32_t*>(&packed);
#pragma unroll
    for (int i = 0; i < kWidth / 2; ++i) {
      const float2 pair = gpu::unpack2<T>(words[i]);
      values[2 * i] = pair.x;
      values[2 * i + 1] = pair.y;
    }
  }

  __device__ static void write(T* to, const float (&values)[kWidth]) {
    Word packed;
    auto* const words = reinterpret_cast<std::uint32_t*>(&packed);
#pragma unroll
    for (int i = 0; i < kWidth / 2; ++i) {
      words[i] = gpu::pack2<T>(values[2 * i], values[2 * i + 1]);
    }
    *reinterpret_cast<Word*>(to) = packed;
  }
};

template <typename T>
struct Pack<T, 1> {
  __device__ static void read(const T* from, float (&values)[1]) {
    values[0] = gpu::to_float(*from);
  }
  __device__ static void write(T* to, const float (&values)[1]) {
    *to = gpu::from_float<T>(values[0]);
  }
};

// Calls `visit(T{})` for the type behind `dtype`: a backend on CUDA has these two.
template <typename Visit>
void for_type(DType dtype, const Visit& visit) {
  if (dtype == DType::kBF16) {
    visit(gpu::bf16{});
  } else {
    visit(gpu::f16{});
  }
}

template <int kWidth>
using Width = std::integral_constant<int, kWidth>;

// Calls `visit(Width<w>)` for the widest pack that rows of `values` values are made of.
template <typename Visit>
void for_width(std::int32_t values, const Visit& visit) {
  if (values % 8 == 0) {
    visit(Width<8>{});
  } else if (values % 4 == 0) {
    visit(Width<4>{});
  } else {
    visit(Width<1>{});
  }
}

}  // namespace rooftop::inference::cuda
