// The arithmetic peak of one core: chains of multiply-adds that never leave the registers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "profiler/roofs/cpu_isa.h"

namespace rooftop {

// Independent chains of a loop: as many as hide the latency of two units (at most 6 cycles each),
// and as fit the registers.
inline constexpr int kFmaChains = 12;

// A loop of which each turn is, for all chains, x = x * scale + shift, or, for dot products of bf16
// pairs, x = x + scale * 1 + scale * 1. A multiply and its add count as 2 FLOP.
struct FmaLoop {
  // Runs the turns from x = starts[chain] in all lanes, and returns the sum of all x of all lanes.
  // From 0 with scale = shift = 1 that is the number of multiply-adds that were done, which is how
  // the tests check flops_per_turn. The starts come from the caller, because a compiler that saw
  // equal chains would compute one of them.
  double (*run)(std::int64_t turns, float scale, float shift,
                const float* starts /* [kFmaChains] */) = nullptr;
  double flops_per_turn = 0;
  std::string_view name;  // "AVX-512 FMA"
};

// The best loop for a type that this instruction set has; bf16 needs instructions of its own.
FmaLoop f32_loop(VectorIsa isa);
std::optional<FmaLoop> bf16_loop(VectorIsa isa);

}  // namespace rooftop
