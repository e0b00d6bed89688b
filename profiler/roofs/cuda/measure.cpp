#include "profiler/roofs/cuda/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "profiler/roofs/cuda/check.h"
#include "profiler/roofs/cuda/kernels.h"
#include "profiler/roofs/cuda/nvml.h"
#include "profiler/roofs/cuda/plan.h"

namespace rooftop::cuda {
namespace {

// Owners of what CUDA gives. Destructors cannot report an error; the calls before them have.

class DeviceMemory {
 public:
  explicit DeviceMemory(std::uint64_t bytes) {
    check(cudaMalloc(&data_, bytes),
          "allocate " + std::to_string(bytes >> 20) + " MiB on the device");
  }
  ~DeviceMemory() { cudaFree(data_); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  [[nodiscard]] uint4* elements() const { return static_cast<uint4*>(data_); }

 private:
  void* data_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreate(&stream_), "create a stream"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "finish a bandwidth kernel"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "create an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  [[nodiscard]] cudaEvent_t get() const { return event_; }
  void record(const Stream& stream) const {
    check(cudaEventRecord(event_, stream.get()), "record an event");
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// Makes a device the current one, and the one before it again.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check(cudaGetDevice(&before_), "tell the current device");
    check(cudaSetDevice(device), "use device " + std::to_string(device));
  }
  ~CurrentDevice() { cudaSetDevice(before_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = 0;
};

int attribute(cudaDeviceAttr which, int device, const char* what) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), what);
  return value;
}

class Measurement {
 public:
  Measurement(int device, const Buffers& buffers, unsigned multiprocessors)
      : buffers_(buffers), multiprocessors_(multiprocessors), address_(pci_address(device)) {}

  // The best of several passes and grid sizes, within about `seconds`.
  RooftopCudaRoof best(const BandwidthTest& test, double seconds) {
    constexpr unsigned kBlocksPerSm[] = {4, 8, 16, 32};
    double best_seconds = 0;
    unsigned best_blocks = 0;
    for (const unsigned per_sm : kBlocksPerSm) {
      const unsigned blocks = per_sm * multiprocessors_;
      const double time = best_pass(test, blocks, seconds / std::size(kBlocksPerSm));
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
    roof.clock_hz = clock_under_load(test, best_blocks, best_seconds);
    return roof;
  }

 private:
  // Seconds of the fastest pass.
  double best_pass(const BandwidthTest& test, unsigned blocks, double seconds) {
    using Clock = std::chrono::steady_clock;
    constexpr int kLeastPasses = 5;
    launch_pass(test, buffers_, blocks, stream_.get());
    stream_.wait();
    double best = 0;
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    for (int passes = 0; passes < kLeastPasses || Clock::now() < end; ++passes) {
      begin_.record(stream_);
      launch_pass(test, buffers_, blocks, stream_.get());
      end_.record(stream_);
      stream_.wait();
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()), "time a kernel");
      // Events resolve half a microsecond.
      const double time = std::max(static_cast<double>(milliseconds) * 1e-3, 0.5e-6);
      best = passes == 0 ? time : std::min(best, time);
    }
    return best;
  }

  // The SM clock while the kernels run: some 20 ms of them are queued, then NVML is asked.
  double clock_under_load(const BandwidthTest& test, unsigned blocks, double pass_seconds) {
    const int passes = static_cast<int>(std::clamp(0.02 / pass_seconds, 1.0, 200.0));
    for (int i = 0; i < passes; ++i) launch_pass(test, buffers_, blocks, stream_.get());
    const double clock = nvml_.clocks(address_.text).sm_hz;
    stream_.wait();
    return clock;
  }

  Buffers buffers_;
  unsigned multiprocessors_;
  PciAddress address_;
  Stream stream_;
  Event begin_;
  Event end_;
  Nvml nvml_;
};

}  // namespace

PciAddress pci_address(int device) {
  PciAddress address;
  check(cudaDeviceGetPCIBusId(address.text, sizeof address.text, device),
        "tell the PCI address of device " + std::to_string(device));
  return address;
}

std::size_t measure_bandwidths(std::uint32_t ordinal, double seconds, RooftopCudaProgress progress,
                               void* user, RooftopCudaRoof* roofs, std::size_t capacity) {
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
  launch_fill(from.elements(), elements, 1, filling.get());
  launch_fill(to.elements(), elements, 2, filling.get());
  filling.wait();

  Measurement measurement(device, {from.elements(), to.elements()}, static_cast<unsigned>(sms));
  const auto total = static_cast<double>(tests.size());
  std::size_t count = 0;
  for (const BandwidthTest& test : tests) {
    if (count == capacity) break;
    if (progress != nullptr) progress(test.what, static_cast<double>(count) / total, user);
    roofs[count++] = measurement.best(test, seconds / total);
  }
  return count;
}

}  // namespace rooftop::cuda
