// How the bandwidth of a GPU is measured: which buffers, how often, which bytes count. Plain C++,
// tested without a GPU.
#pragma once

#include <cstdint>
#include <vector>

namespace rooftop::cuda {

// What a kernel does with its elements, which are of 16 bytes.
enum class Access { kRead, kWrite, kCopy };
inline constexpr std::uint64_t kElementBytes = 16;

// One roof's measurement: a kernel that goes round a working set `turns` times.
struct BandwidthTest {
  const char* kind = "";  // MeasuredRoof::kind
  const char* what = "";  // for the progress line
  Access access = Access::kRead;
  std::uint64_t elements = 0;  // of the working set; a copy has two of them
  std::uint32_t turns = 1;

  // Accesses of one launch, over all threads and turns.
  [[nodiscard]] std::uint64_t accesses() const { return elements * turns; }
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

// How threads go round a working set: access i of all turns, counted over all threads, is to
// element i modulo `elements`. Thread t of n makes the accesses t, t + n, t + 2n, ...: from element
// t modulo `elements` on by steps of n modulo `elements`, without a division. All threads have the
// same share of work, and none meets an address twice in a row where n is no multiple of
// `elements`, so that neither the compiler nor an L1 can save a load.
ROOFTOP_HOST_DEVICE constexpr std::uint64_t next_element(std::uint64_t at, std::uint64_t step,
                                                         std::uint64_t elements) {
  const std::uint64_t next = at + step;
  return next < elements ? next : next - elements;
}

#undef ROOFTOP_HOST_DEVICE

}  // namespace rooftop::cuda
