// Which vector instructions this processor and operating system allow. Found at run time: the
// kernels carry target attributes, nothing is built for the build machine.
#pragma once

namespace rooftop {

enum class VectorIsa {
  kPortable = 0,    // whatever the compiler's baseline gives
  kAvx2Fma = 1,     // 256 bits
  kAvx512 = 2,      // 512 bits
  kAvx512Bf16 = 3,  // and dot products of bf16 pairs
};

// The best that may be used here.
VectorIsa best_vector_isa();

// AMX with bf16 tiles: present, and granted by the kernel (asked for once; a process that touches a
// tile without the grant dies with SIGILL). Only oneDNN's kernels use it.
bool amx_bf16_granted();

}  // namespace rooftop
