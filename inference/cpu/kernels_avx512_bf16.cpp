// Kernels for AVX-512 with products of bf16 pairs (AVX512_BF16). Compiled for them, and called only
// where the machine has them.
#include "inference/cpu/kernels.h"

#ifdef __AVX512BF16__
#define ROOFTOP_SIMD_NAMESPACE avx512_bf16
#include "inference/cpu/kernels_attention.h"
#include "inference/cpu/simd_avx512.h"

namespace rooftop::inference::cpu {

const Kernels* avx512_bf16_kernels() {
  static constexpr Kernels kKernels = make_kernels<avx512_bf16::Simd>("avx512_bf16");
  return &kKernels;
}

}  // namespace rooftop::inference::cpu

#else  // another architecture

namespace rooftop::inference::cpu {

const Kernels* avx512_bf16_kernels() { return nullptr; }

}  // namespace rooftop::inference::cpu

#endif
