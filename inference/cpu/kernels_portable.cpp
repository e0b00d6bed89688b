// Kernels in plain C++, for any machine.
#include "inference/cpu/kernels_attention.h"
#include "inference/cpu/simd_portable.h"

namespace rooftop::inference::cpu {

const Kernels* portable_kernels() {
  static constexpr Kernels kKernels = make_kernels<portable::Simd>("portable");
  return &kKernels;
}

}  // namespace rooftop::inference::cpu
