// Which kernels run on this machine.
#include <string>

#include "inference/cpu/cpu_backend.h"
#include "inference/cpu/kernels.h"
#include "profiler/core/error.h"

namespace rooftop::inference::cpu {
namespace {

// What the processor has and the operating system lets a process use (GCC and clang both check
// XCR0).
bool machine_has(Isa isa) {
#if defined(__x86_64__) || defined(__i386__)
  switch (isa) {
    case Isa::kPortable:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
             __builtin_cpu_supports("f16c") != 0;
    case Isa::kAvx512:
      return machine_has(Isa::kAvx2) && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
             __builtin_cpu_supports("avx512vl") != 0;
    case Isa::kAvx512Bf16:
      return machine_has(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16") != 0;
  }
  return false;
#else
  return isa == Isa::kPortable;
#endif
}

const Kernels* built(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return avx2_kernels();
    case Isa::kAvx512:
      return avx512_kernels();
    case Isa::kAvx512Bf16:
      return avx512_bf16_kernels();
    case Isa::kPortable:
      break;
  }
  return portable_kernels();
}

}  // namespace

Isa best_isa() {
  for (const Isa isa : {Isa::kAvx512Bf16, Isa::kAvx512, Isa::kAvx2}) {
    if (machine_has(isa) && built(isa) != nullptr) return isa;
  }
  return Isa::kPortable;
}

const Kernels& kernels_for(Isa isa) {
  if (!machine_has(isa) || built(isa) == nullptr) {
    throw InputError("This machine has no instruction set number " +
                     std::to_string(static_cast<int>(isa)) + ": use best_isa().");
  }
  return *built(isa);
}

std::int64_t attention_scratch(std::int64_t rows, std::int64_t head_dim) {
  const std::int64_t width = (head_dim + 15) / 16 * 16;
  const std::int64_t per_row = (rows + 15) / 16 * 16;
  return 2 * rows * width + rows * kKeyBlock + 2 * width * kKeyBlock + 2 * per_row;
}

}  // namespace rooftop::inference::cpu

namespace rooftop::inference {

bool cpu_has_fast_bf16() { return cpu::best_isa() == cpu::Isa::kAvx512Bf16; }

std::string_view cpu_instruction_set() { return cpu::kernels_for(cpu::best_isa()).name; }

}  // namespace rooftop::inference
