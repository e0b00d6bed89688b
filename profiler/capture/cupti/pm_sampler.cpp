#include "profiler/capture/cupti/pm_sampler.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <limits>

#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/chip_support.h"

namespace rooftop::capture {
namespace {

// Samples that nobody has drained: a session drains every 50 ms.
constexpr std::size_t kMostWaiting = std::size_t{1} << 20;
constexpr int kMostReopenings = 8;
// A sample is drained within a second or so; a disk may be slow.
constexpr std::int64_t kOneClockNs = 60'000'000'000;
constexpr int kClockPairs = 5;
// The image holds what is sampled while the thread is late by so many periods: what does not fit is
// lost for good.
constexpr std::int64_t kPeriodsLate = 4;
constexpr std::uint32_t kLeastImage = 1024;
constexpr int kMostImages = 256;  // in a row: more than the hardware buffer holds
constexpr std::uint32_t kLargestImage = 16384;

}  // namespace

Status PmSampler::start() noexcept try {
  if (!api_.has_sampling())
    return Status::failed(
        "this CUPTI cannot sample counters: Rooftop needs CUPTI of CUDA 12.6 or "
        "newer");
  if (options_.interval <= std::chrono::nanoseconds::zero() ||
      options_.drain_period <= std::chrono::milliseconds::zero())
    return Status::failed(
        "counters cannot be sampled at an interval of no time: name one, as 20us");
  pid_ = getpid();
  if (Status status = open(); !status.ok()) {
    close();
    return status;
  }
  // The host's signals are for the host's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return {};
} catch (const std::exception&) {
  close();
  return Status::failed("counters cannot be sampled: there is no memory or thread left for it");
}

Status PmSampler::open() {
  if (driver_.cuDeviceGet(&device_, static_cast<int>(options_.ordinal)) != CUDA_SUCCESS &&
      (driver_.cuInit(0) != CUDA_SUCCESS ||
       driver_.cuDeviceGet(&device_, static_cast<int>(options_.ordinal)) != CUDA_SUCCESS))
    return Status::failed("the NVIDIA driver has no device " + std::to_string(options_.ordinal));
  if (Status status = initialize_profiler(api_); !status.ok()) return status;
  initialized_ = true;
  if (Status status = profiling_supported(api_, device_, CUPTI_PROFILER_PM_SAMPLING); !status.ok())
    return status;
  const std::int64_t per_image = kPeriodsLate *
                                 std::chrono::nanoseconds(options_.drain_period).count() /
                                 options_.interval.count();
  const PmSettings settings{.ordinal = options_.ordinal,
                            .interval_ns = static_cast<std::uint64_t>(options_.interval.count()),
                            .hardware_buffer_bytes = options_.hardware_buffer_bytes,
                            .image_samples = static_cast<std::uint32_t>(
                                std::clamp<std::int64_t>(per_image, kLeastImage, kLargestImage)),
                            .save_counters = options_.save_counters};
  if (Status status = session_.open(settings); !status.ok()) return status;
  metrics_ = session_.metrics();
  return session_.start();
}

void PmSampler::run() noexcept {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, options_.drain_period, [this] { return stopping_; });
    if (stopping_) break;
    lock.unlock();
    Status status;
    try {
      status = read(false);
    } catch (const std::exception&) {
      // What did not fit into memory is counted by the gap that it leaves.
    }
    lock.lock();
    if (!status.ok()) {
      failure_ = status.message();
      break;
    }
  }
}

// All that the device has; after stop() to the end of its records.
Status PmSampler::read(bool last) {
  compare_clocks();
  std::vector<PmSample> samples;
  PmSession::Decoded decoded;
  bool more = true;
  for (int i = 0; i < kMostImages && more && !decoded.overflow; ++i, more = decoded.more) {
    const Status status = session_.decode(samples, decoded);
    keep(samples);
    if (!status.ok()) return status;
  }
  if (!decoded.overflow) return {};
  {
    const std::lock_guard lock(mutex_);
    ++overflows_;
  }
  return last ? Status() : reopen();
}

// A buffer that overflowed gives nothing more.
Status PmSampler::reopen() {
  if (++reopened_ > kMostReopenings)
    return Status::failed("sampling ended: the device's buffer overflowed " +
                          std::to_string(reopened_) + " times; sample at a longer interval");
  session_.close();
  const PmSettings settings = session_.settings();
  if (Status status = session_.open(settings); !status.ok()) return status;
  return session_.start();
}

// Of some pairs the one that took least. Each time anew: clocks drift.
void PmSampler::compare_clocks() noexcept {
  std::int64_t narrowest = std::numeric_limits<std::int64_t>::max();
  std::int64_t offset = 0;
  for (int i = 0; i < kClockPairs; ++i) {
    std::uint64_t theirs = 0;
    const std::int64_t before = now().ns;
    const CUptiResult result = api_.cuptiGetTimestamp(&theirs);
    const std::int64_t width = now().ns - before;
    if (result != CUPTI_SUCCESS || width >= narrowest) continue;
    narrowest = width;
    offset = before + width / 2 - static_cast<std::int64_t>(theirs);
  }
  if (narrowest == std::numeric_limits<std::int64_t>::max()) return;
  const std::lock_guard lock(mutex_);
  offset_ns_ = offset;
  clocks_compared_ = true;
}

void PmSampler::keep(std::vector<PmSample>& samples) {
  const std::lock_guard lock(mutex_);
  const auto interval = static_cast<std::uint64_t>(options_.interval.count());
  for (PmSample& sample : samples) {
    // CUPTI gives empty ones after a stop, and some without times where it lost others.
    if (sample.begin == 0 || sample.end <= sample.begin) {
      ++without_time_;
      continue;
    }
    if (!seen_first_) {
      // Its interval began before sampling did.
      seen_first_ = true;
      last_end_ = sample.end;
      continue;
    }
    if (sample.begin > last_end_) lost_ += (sample.begin - last_end_) / interval;
    last_end_ = std::max(last_end_, sample.end);
    if (waiting_.size() >= kMostWaiting) {
      ++lost_;
      continue;
    }
    sample.begin += static_cast<std::uint64_t>(offset_ns_);
    sample.end += static_cast<std::uint64_t>(offset_ns_);
    waiting_.push_back(std::move(sample));
  }
  samples.clear();
}

void PmSampler::drain(RecordSink& sink) {
  std::vector<PmSample> samples;
  std::uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    samples.swap(waiting_);
    lost = lost_ - std::exchange(lost_told_, lost_);
  }
  const auto known = std::ranges::find_if(options_.known_devices, [&](const DeviceInfo& d) {
    return d.kind == DeviceKind::kCuda && d.ordinal == options_.ordinal;
  });
  std::vector<StringId> names;
  for (const std::string& metric : metrics_) names.push_back(sink.intern(metric));
  const std::int64_t present = now().ns;
  for (const PmSample& sample : samples) {
    // Another clock than the one that was compared: split over kernels it would tell tales.
    if (std::abs(static_cast<std::int64_t>(sample.end) - present) > kOneClockNs) {
      ++elsewhen_;
      continue;
    }
    for (std::size_t m = 0; m < names.size(); ++m) {
      sink.add(
          SampleRecord{.device = static_cast<std::uint32_t>(known - options_.known_devices.begin()),
                       .begin = {static_cast<std::int64_t>(sample.begin)},
                       .end = {static_cast<std::int64_t>(sample.end)},
                       .metric = names[m],
                       .value = sample.values[m]});
    }
  }
  if (lost > 0)
    sink.add(DropRecord{.when = now(), .source = sink.intern("PM samples"), .count = lost});
}

void PmSampler::stop() noexcept {
  // A forked child has neither the thread nor anything of CUPTI's.
  if (pid_ == 0) return;
  if (getpid() != pid_) {
    if (thread_.joinable()) thread_.detach();
    pid_ = 0;
    return;
  }
  pid_ = 0;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (failure_.empty()) {
    try {
      Status status = session_.stop();
      if (status.ok()) status = read(true);
      if (!status.ok()) failure_ = status.message();
    } catch (const std::exception&) {
      // The last samples are lost to a full memory.
    }
  }
  close();
}

// CUPTI's end sequence.
void PmSampler::close() noexcept {
  session_.close();
  session_.release_host();
  if (initialized_) deinitialize_profiler(api_);
  initialized_ = false;
}

void PmSampler::describe(Meta& meta) const {
  const std::lock_guard lock(mutex_);
  meta.capture += meta.capture.empty() ? "sampling" : " + sampling";
  const bool known = std::ranges::any_of(options_.known_devices, [&](const DeviceInfo& d) {
    return d.kind == DeviceKind::kCuda && d.ordinal == options_.ordinal;
  });
  const bool added = std::ranges::any_of(meta.devices, [&](const DeviceInfo& d) {
    return d.kind == DeviceKind::kCuda && d.ordinal == options_.ordinal;
  });
  if (!known && !added) meta.devices.push_back(describe_device(driver_, device_));
  if (!failure_.empty()) meta.notes.push_back({"Sampling ended early: " + failure_ + "."});
  if (overflows_ > 0) {
    meta.notes.push_back({"Sampling: the device's buffer overflowed " + std::to_string(overflows_) +
                          " times, and what it held was lost; a longer interval avoids it."});
  }
  if (session_.by_clock()) {
    meta.notes.push_back({"Sampling: " + session_.chip() +
                          " samples by its system clock, so that intervals are only nearly "
                          "equal."});
  }
  if (elsewhen_ > 0) {
    meta.notes.push_back({"Sampling: " + std::to_string(elsewhen_) +
                          " samples lie more than a minute from the run, on a clock of their own, "
                          "and were left out."});
  }
  if (seen_first_ && !clocks_compared_) {
    meta.notes.push_back(
        {"Sampling: CUPTI does not tell its clock, so that samples may not lie where they "
         "belong."});
  }
}

SamplingOptions sampling_options_from_environment() {
  SamplingOptions options;
  if (const char* folder = std::getenv("ROOFTOP_SAVE_COUNTERS")) options.save_counters = folder;
  return options;
}

std::unique_ptr<RecordSource> make_sampling(const CuptiApi& api, const CudaDriver& driver,
                                            SamplingOptions options) {
  return std::make_unique<PmSampler>(api, driver, std::move(options));
}

}  // namespace rooftop::capture
