// The source behind make_sampling(): a thread of its own that reads samples before the device's
// buffer is full.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/pm_session.h"
#include "profiler/capture/cupti/sampling.h"

namespace rooftop::capture {

class PmSampler : public RecordSource {
 public:
  PmSampler(const CuptiApi& api, const CudaDriver& driver, SamplingOptions options)
      : api_(api), driver_(driver), options_(std::move(options)), session_(api) {}
  ~PmSampler() override { stop(); }
  PmSampler(const PmSampler&) = delete;
  PmSampler& operator=(const PmSampler&) = delete;

  Status start() noexcept override;
  void drain(RecordSink& sink) override;
  void stop() noexcept override;
  void describe(Meta& meta) const override;

 private:
  Status open();
  void run() noexcept;
  Status read(bool last);
  Status reopen();
  void compare_clocks() noexcept;
  void keep(std::vector<PmSample>& samples);
  void close() noexcept;

  const CuptiApi& api_;
  const CudaDriver& driver_;
  const SamplingOptions options_;
  pid_t pid_ = 0;
  bool initialized_ = false;  // the profiler
  CUdevice device_ = 0;

  // The sampling thread's; start()'s and stop()'s while there is none.
  PmSession session_;
  std::thread thread_;
  std::uint64_t last_end_ = 0;  // of the sample before, on the device's clock; 0: none
  int reopened_ = 0;

  mutable std::mutex mutex_;  // all below
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<PmSample> waiting_;
  std::vector<std::string> metrics_;
  std::uint64_t lost_ = 0;
  std::uint64_t lost_told_ = 0;
  std::uint64_t without_time_ = 0;
  std::uint64_t overflows_ = 0;
  std::int64_t offset_ns_ = 0;  // from CUPTI's clock, which is the samples', to ours
  bool clocks_compared_ = false;
  std::uint64_t elsewhen_ = 0;  // samples on another clock
  bool seen_first_ = false;
  std::string failure_;
};

}  // namespace rooftop::capture
