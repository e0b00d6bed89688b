// CUPTI's Activity API from start to end, in the order that NVIDIA documents: attributes, clock,
// buffer callbacks, kinds; and at the end flush, kinds off, forced flush.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "profiler/capture/cupti/activity_buffers.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/timeline.h"
#include "profiler/core/time.h"

namespace rooftop::capture {

class ActivityStream {
 public:
  explicit ActivityStream(const CuptiApi& api) : api_(api) {}
  ~ActivityStream() { stop(); }
  ActivityStream(const ActivityStream&) = delete;
  ActivityStream& operator=(const ActivityStream&) = delete;

  // CUPTI's callbacks have no argument of the client's, so that a process has one stream at a time:
  // false if another has the right to it.
  static bool claim() noexcept;
  static void release() noexcept;

  // After claim(). What CUPTI refuses but the timeline can do without goes to `notes`. On failure
  // everything is off again.
  Status start(const TimelineOptions& options, std::vector<std::string>& notes);

  void flush() noexcept;  // completed records only, as CUPTI documents for a timer
  void stop() noexcept;
  // CUPTI has ended itself: nothing more is asked of it. What it handed over stays for take().
  void abandon() noexcept;

  // Kernels off and on again, those of graphs included. From any thread; no wait but for another
  // pause() or the end. False: CUPTI refused.
  bool pause() noexcept;
  bool resume() noexcept;

  // Hands over each buffer that CUPTI has completed, oldest first, then takes it back; also where
  // `use` throws.
  void take(const std::function<void(std::uint8_t* data, std::size_t valid)>& use);

  // Records that CUPTI dropped for want of a buffer since the last call.
  std::uint64_t take_dropped() noexcept;
  // Times that CUPTI asked for a buffer and got none, since the last call.
  std::uint64_t take_declined() noexcept;

  // What to add to CUPTI's times to get those of rooftop::now(): 0 where CUPTI asks us for the
  // time.
  Duration clock_offset() noexcept;

 private:
  void set_attributes(const TimelineOptions& options) noexcept;
  Status enable(const TimelineOptions& options, std::vector<std::string>& notes);
  void enable_api_calls(std::vector<std::string>& notes);
  void disable_all() noexcept;

  const CuptiApi& api_;
  std::atomic<bool> started_{false};
  bool own_clock_ = false;
  Duration offset_;
  std::mutex mutex_;  // of what is enabled: CUPTI wants these calls one at a time
  bool kernels_ = false;
  std::vector<CUpti_ActivityKind> enabled_;      // besides the kernels
  std::vector<CUpti_CallbackId> enabled_calls_;  // of the driver's, one by one
};

}  // namespace rooftop::capture
