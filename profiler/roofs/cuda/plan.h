// How the bandwidth of a GPU is measured: which buffers, how often, which bytes count. Plain C++,
// tested without a GPU.
#pragma once

#include <cstdint>
#include <vector>

namespace rooftop::cuda {

// What a kernel does with its elements, which are of 16 bytes.
enum class Access { kRead, kWrite, kCopy };
inline constexpr std::uint64_t kElementBytes = 16;

// One roof's measurement: a kernel that goes over a working set `turns` times.
struct BandwidthTest {
  const char* kind = "";  // MeasuredRoof::kind
  const char* what = "";  // for the progress line
  Access access = Access::kRead;
  std::uint64_t elements = 0;  // of the working set; a copy has two of them
  std::uint32_t turns = 1;

  // Bytes that one launch moves: what is read and what is written.
  [[nodiscard]] double bytes() const;
};

// Smallest working set in DRAM: at several TB/s a pass over less would be as short as a launch.
inline constexpr std::uint64_t kLeastDramBytes = std::uint64_t{1} << 30;

// DRAM tests use buffers of at least eight times the L2 and 1 GiB, but never more than a quarter of
// the free memory each (a copy has two). L2 tests use an eighth of the L2 and leave out reads of
// DRAM; they are absent where the L2 is unknown. An eighth, because the L2 of large chips is two
// halves that each hold copies of the other's lines.
// Empty where `free_bytes` cannot hold buffers beyond the L2: the caller says so.
std::vector<BandwidthTest> plan_bandwidth_tests(std::uint64_t l2_bytes, std::uint64_t free_bytes);

#if defined(__CUDACC__)
#define ROOFTOP_HOST_DEVICE __host__ __device__
#else
#define ROOFTOP_HOST_DEVICE
#endif

// Where a turn over the working set begins. Turns are rotated against one another, so that no
// thread meets the same address twice in a row: neither the compiler nor an L1 can save a load.
// Below `elements`, and a multiple of 8 elements (128 bytes) before it wraps.
ROOFTOP_HOST_DEVICE constexpr std::uint64_t rotation_of(std::uint64_t turn,
                                                        std::uint64_t elements) {
  constexpr std::uint64_t kStep = 4096 + 8;
  return turn * kStep % elements;
}

// Element i of a turn; i and rotation are below `elements`.
ROOFTOP_HOST_DEVICE constexpr std::uint64_t rotated(std::uint64_t i, std::uint64_t rotation,
                                                    std::uint64_t elements) {
  const std::uint64_t at = i + rotation;
  return at < elements ? at : at - elements;
}

#undef ROOFTOP_HOST_DEVICE

}  // namespace rooftop::cuda
