// Kernels for AVX2, FMA and F16C. Compiled for them, and called only where the machine has them.
#include "inference/cpu/kernels.h"

#ifdef __AVX2__
#include "inference/cpu/kernels_attention.h"
#include "inference/cpu/simd_avx2.h"

namespace rooftop::inference::cpu {

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels = make_kernels<avx2::Simd>("avx2");
  return &kKernels;
}

}  // namespace rooftop::inference::cpu

#else  // another architecture

namespace rooftop::inference::cpu {

const Kernels* avx2_kernels() { return nullptr; }

}  // namespace rooftop::inference::cpu

#endif
