// Kernels for AVX-512 F, BW, DQ and VL. Compiled for them, and called only where the machine has
// them.
#include "inference/cpu/kernels.h"

#ifdef __AVX512F__
#define ROOFTOP_SIMD_NAMESPACE avx512
#include "inference/cpu/kernels_attention.h"
#include "inference/cpu/simd_avx512.h"

namespace rooftop::inference::cpu {

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels = make_kernels<avx512::Simd>("avx512");
  return &kKernels;
}

}  // namespace rooftop::inference::cpu

#else  // another architecture

namespace rooftop::inference::cpu {

const Kernels* avx512_kernels() { return nullptr; }

}  // namespace rooftop::inference::cpu

#endif
