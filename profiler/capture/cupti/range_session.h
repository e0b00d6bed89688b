// One context's range profiler: the only code that calls cuptiRangeProfiler*. The order of calls is
// that of CUPTI's documentation: enable; per step size and initialise the image of counters, set
// the configuration, start, the work, stop, decode; disable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/capture/cupti/metric_host.h"

namespace rooftop::capture {

// The counters that the device of a context really offers. Not during a session.
Status range_availability(const CuptiApi& api, CUcontext context, std::vector<std::uint8_t>& image);

class RangeSession {
 public:
  explicit RangeSession(const CuptiApi& api) : api_(api) {}
  ~RangeSession();
  RangeSession(const RangeSession&) = delete;
  RangeSession& operator=(const RangeSession&) = delete;

  // Only after initialize_profiler() has succeeded, with a context: CUPTI crashes otherwise.
  Status enable(CUcontext context);
  Status disable();
  // The context is gone, and the profiler's object with it: nothing is called.
  void abandon() noexcept;

  // Every kernel launched from here on is a range of its own. `host` must live until decode().
  Status start(const MetricHost& host, std::size_t max_ranges);
  // Where the work has been waited for.
  Status stop();
  [[nodiscard]] bool started() const { return started_; }

  struct Decoded {
    std::size_t ranges = 0;
    std::size_t dropped = 0;  // for want of room: more than max_ranges
  };
  Status decode(Decoded& decoded);
  // Where each launch is in the image: launch i's range is number place[i]. CUPTI names the ranges
  // of kernels "0", "1", ... and promises no order of them in the image, nor where a later session
  // begins to count. Empty, and `odd` a name, where the names are not consecutive numbers.
  Status places(std::size_t ranges, std::vector<std::size_t>& place, std::string& odd) const;
  // What MetricHost::evaluate() reads.
  [[nodiscard]] std::span<const std::uint8_t> counters() const { return counters_; }

 private:
  Status make_image(const MetricHost& host, std::size_t max_ranges);

  const CuptiApi& api_;
  CUpti_RangeProfiler_Object* object_ = nullptr;
  std::vector<std::uint8_t> counters_;
  bool started_ = false;
};

}  // namespace rooftop::capture
