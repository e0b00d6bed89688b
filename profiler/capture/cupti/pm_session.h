// One device's PM sampling: the only code that calls cuptiPmSampling*. The order of calls is that
// of CUPTI's documentation: availability, host, enable, configuration, size and image, start;
// decode and initialise the image again and again; stop, decode the rest, disable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "profiler/capture/cupti/metric_host.h"

namespace rooftop::capture {

struct PmSettings {
  std::uint32_t ordinal = 0;
  std::uint64_t interval_ns = 20'000;
  std::size_t hardware_buffer_bytes = std::size_t{64} << 20;
  std::uint32_t image_samples = 2048;  // that one decode() can take
  std::string save_counters;           // a folder for the first images; empty: none
};

struct PmSample {
  std::uint64_t begin = 0;  // nanoseconds, on the device's clock
  std::uint64_t end = 0;
  std::vector<double> values;  // in the order of metrics()
};

class PmSession {
 public:
  explicit PmSession(const CuptiApi& api) : api_(api) {}
  ~PmSession() { close(); }
  PmSession(const PmSession&) = delete;
  PmSession& operator=(const PmSession&) = delete;

  // Only after initialize_profiler() has succeeded. Samples nothing yet.
  Status open(const PmSettings& settings);
  Status start();
  Status stop();
  void close() noexcept;                           // stops, too
  void release_host() noexcept { host_.reset(); }  // after close()
  [[nodiscard]] const PmSettings& settings() const { return settings_; }

  struct Decoded {
    bool overflow = false;  // the hardware buffer's: CUPTI gives nothing more until it is reopened
    bool more = false;      // the image was full before all was read
  };
  // Appends what was sampled since the last call.
  Status decode(std::vector<PmSample>& samples, Decoded& decoded);

  [[nodiscard]] const std::string& chip() const { return chip_; }
  [[nodiscard]] const std::vector<std::string>& metrics() const { return host_->metrics(); }
  // Whether the interval is one of the device's clock instead of time: it then only holds nearly.
  [[nodiscard]] bool by_clock() const { return by_clock_; }

 private:
  Status prepare_host();
  Status enable();
  Status make_image();
  Status initialize_image();
  Status take(std::vector<PmSample>& samples);
  void save(std::span<const PmSample> samples);

  const CuptiApi& api_;
  PmSettings settings_;
  std::string chip_;
  bool by_clock_ = false;
  std::vector<std::uint8_t> availability_;
  std::unique_ptr<MetricHost> host_;
  CUpti_PmSampling_Object* object_ = nullptr;
  std::vector<std::uint8_t> image_;
  bool started_ = false;
  int saved_ = 0;
};

}  // namespace rooftop::capture
