#include "profiler/roofs/cuda/plan.h"

#include <algorithm>

namespace rooftop::cuda {

double BandwidthTest::bytes() const {
  return static_cast<double>(accesses() * kElementBytes) * (access == Access::kCopy ? 2 : 1);
}

std::vector<BandwidthTest> plan_bandwidth_tests(std::uint64_t l2_bytes, std::uint64_t free_bytes) {
  const std::uint64_t wanted = std::max(8 * l2_bytes, kLeastDramBytes);
  const std::uint64_t dram = std::min(wanted, free_bytes / 4);
  if (dram < 2 * l2_bytes || dram < kElementBytes) return {};
  const std::uint64_t elements = dram / kElementBytes;
  std::vector<BandwidthTest> tests = {
      {"dram_read", "DRAM read", Access::kRead, elements, 1},
      {"dram_write", "DRAM write", Access::kWrite, elements, 1},
      {"dram_copy", "DRAM copy", Access::kCopy, elements, 1},
  };
  const std::uint64_t l2_elements = l2_bytes / 8 / kElementBytes;
  if (l2_elements > 0) {
    // As many turns as move what the DRAM tests move: launches of a similar length.
    const auto turns =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(elements / l2_elements, 1, 4096));
    tests.push_back({"l2_read", "L2 read", Access::kRead, l2_elements, turns});
    tests.push_back({"l2_write", "L2 write", Access::kWrite, l2_elements, turns});
  }
  return tests;
}

}  // namespace rooftop::cuda
