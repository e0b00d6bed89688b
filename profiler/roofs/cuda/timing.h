// Times launches on one device, and reads its clocks while they run.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>

#include "profiler/roofs/cuda/nvml.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::cuda {

class PassTimer {
 public:
  explicit PassTimer(int device) : address_(pci_address(device)) {}

  [[nodiscard]] const Stream& stream() const { return stream_; }

  // Seconds of the fastest of several launches, within about `seconds` and a warm-up.
  // launch(stream) starts one.
  template <typename Launch>
  double best(double seconds, const Launch& launch) const {
    using Clock = std::chrono::steady_clock;
    constexpr int kLeastPasses = 5;
    launch(stream_.get());
    stream_.wait();
    double best = 0;
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    for (int passes = 0; passes < kLeastPasses || Clock::now() < end; ++passes) {
      begin_.record(stream_);
      launch(stream_.get());
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

  // Clocks and temperature while the launches run: some 20 ms of them are queued, then NVML is
  // asked.
  template <typename Launch>
  Nvml::State under_load(double pass_seconds, const Launch& launch) const {
    const int passes = static_cast<int>(std::clamp(0.02 / pass_seconds, 1.0, 200.0));
    for (int i = 0; i < passes; ++i) launch(stream_.get());
    const Nvml::State state = nvml_.state(address_.text);
    stream_.wait();
    return state;
  }

 private:
  PciAddress address_;
  Stream stream_;
  Event begin_;
  Event end_;
  Nvml nvml_;
};

}  // namespace rooftop::cuda
