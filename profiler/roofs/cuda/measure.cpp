#include "profiler/roofs/cuda/measure.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <stdexcept>

#include "profiler/roofs/cuda/check.h"
#include "profiler/roofs/cuda/kernels.h"
#include "profiler/roofs/cuda/owners.h"
#include "profiler/roofs/cuda/plan.h"
#include "profiler/roofs/cuda/timing.h"

namespace rooftop::cuda {
namespace {

int attribute(cudaDeviceAttr which, int device, const char* what) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), what);
  return value;
}

// The best of several passes and grid sizes, within about `seconds`.
RooftopCudaRoof best_roof(const PassTimer& timer, const BandwidthTest& test, const Buffers& buffers,
                          unsigned multiprocessors, double seconds) {
  constexpr unsigned kBlocksPerSm[] = {4, 8, 16, 32};
  double best_seconds = 0;
  unsigned best_blocks = 0;
  for (const unsigned per_sm : kBlocksPerSm) {
    const unsigned blocks = per_sm * multiprocessors;
    const double time = timer.best(seconds / std::size(kBlocksPerSm), [&](cudaStream_t stream) {
      launch_pass(test, buffers, blocks, stream);
    });
    if (best_blocks == 0 || time < best_seconds) {
      best_seconds = time;
      best_blocks = blocks;
    }
  }
  RooftopCudaRoof roof{};
  std::snprintf(roof.kind, sizeof roof.kind, "%s", test.kind);
  std::snprintf(roof.method, sizeof roof.method,
                "own kernel, random data, %.1f MiB, %u turns, %u blocks of %u threads",
                static_cast<double>(test.elements * kElementBytes) / (1 << 20), test.turns,
                best_blocks, kBlockThreads);
  roof.value = test.bytes() / best_seconds;
  const Nvml::State state = timer.under_load(
      best_seconds, [&](cudaStream_t stream) { launch_pass(test, buffers, best_blocks, stream); });
  roof.clock_hz = state.sm_hz;
  roof.temperature_c = state.temperature_c;
  return roof;
}

}  // namespace

std::size_t measure_bandwidths(std::uint32_t ordinal, double seconds, const RoofProgress& progress,
                               RooftopCudaRoof* roofs, std::size_t capacity) {
  const int device = static_cast<int>(ordinal);
  const CurrentDevice current(device);
  const int l2 = attribute(cudaDevAttrL2CacheSize, device, "tell the size of the L2");
  const int sms = attribute(cudaDevAttrMultiProcessorCount, device, "count the multiprocessors");
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &total_bytes), "tell the free memory");
  const auto tests = plan_bandwidth_tests(static_cast<std::uint64_t>(l2), free_bytes);
  if (tests.empty()) {
    throw std::runtime_error("device " + std::to_string(ordinal) + " has only " +
                             std::to_string(free_bytes >> 20) +
                             " MiB of free memory, too little to measure beyond its L2: end the "
                             "programs that use it");
  }
  std::uint64_t elements = 0;
  for (const BandwidthTest& test : tests) elements = std::max(elements, test.elements);
  const DeviceMemory from(elements * kElementBytes);
  const DeviceMemory to(elements * kElementBytes);
  const Stream filling;
  launch_fill(from.as<uint4>(), elements, 1, filling.get());
  launch_fill(to.as<uint4>(), elements, 2, filling.get());
  filling.wait();

  const PassTimer timer(device);
  const auto total = static_cast<double>(tests.size());
  std::size_t count = 0;
  for (const BandwidthTest& test : tests) {
    if (count == capacity) break;
    progress.tell(test.what, static_cast<double>(count) / total);
    roofs[count++] = best_roof(timer, test, {from.as<uint4>(), to.as<uint4>()},
                               static_cast<unsigned>(sms), seconds / total);
  }
  return count;
}

}  // namespace rooftop::cuda
