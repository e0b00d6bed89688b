// Reading, writing and copying memory as fast as one processor core can. Pointers are 64-byte
// aligned and sizes multiples of kBandwidthUnit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiler/roofs/cpu_isa.h"

namespace rooftop {

// What every kernel handles at a time; the unit in which work is split over threads.
inline constexpr std::uint64_t kBandwidthUnit = 4096;

// How stores go to memory. A regular store first reads its cache line, which no count of ours
// includes; a non-temporal one does not, and leaves nothing in the caches.
enum class Stores { kRegular, kNonTemporal };

// The sum of the buffer's 64-bit words, modulo 2^64: proof that every byte was read.
std::uint64_t read_memory(VectorIsa isa, const std::byte* from, std::uint64_t bytes);

// Fills the buffer with a 64-bit word.
void write_memory(VectorIsa isa, Stores stores, std::byte* to, std::uint64_t bytes,
                  std::uint64_t word);

void copy_memory(VectorIsa isa, Stores stores, const std::byte* from, std::byte* to,
                 std::uint64_t bytes);

}  // namespace rooftop
