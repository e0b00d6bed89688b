// CUPTI's host side of counters: which metrics a chip has, how many passes a set of them takes, and
// what an image of counters says. Needs no GPU and no driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/core/error.h"

namespace rooftop::capture {

// Names of the chips that this CUPTI knows, in its own order.
Status known_chips(const CuptiApi& api, std::vector<std::string>& chips);

// One set of metrics of one chip. Metrics can only be added to CUPTI's object, never taken away: a
// host schedules once.
class MetricHost {
 public:
  explicit MetricHost(const CuptiApi& api) : api_(api) {}
  ~MetricHost();
  MetricHost(const MetricHost&) = delete;
  MetricHost& operator=(const MetricHost&) = delete;

  // `availability`: the counters that this machine's device really offers, as the target side of
  // CUPTI tells them; empty: all of the chip's.
  Status open(CUpti_ProfilerType type, const std::string& chip,
              std::span<const std::uint8_t> availability = {});

  // Names without roll-ups ("dram__bytes_read"). Counters only, no ratios or throughputs.
  Status base_metrics(std::vector<std::string>& names) const;

  // Makes the configuration of these metrics, each with its roll-up ("dram__bytes_read.sum"). One
  // unknown metric fails the whole set.
  Status schedule(std::vector<std::string> metrics);

  [[nodiscard]] const std::vector<std::string>& metrics() const { return metrics_; }
  [[nodiscard]] const std::vector<std::uint8_t>& configuration() const { return configuration_; }
  [[nodiscard]] std::size_t passes() const { return passes_; }
  // The same names as CUPTI's calls take them; valid as long as the host.
  [[nodiscard]] std::vector<const char*>& metric_names() const { return names_; }

  // Values of one range or sample of a counter image: values[i] is of metrics()[i].
  Status evaluate(std::span<const std::uint8_t> counters, std::size_t range,
                  std::span<double> values) const;

 private:
  const CuptiApi& api_;
  CUpti_Profiler_Host_Object* object_ = nullptr;
  // CUPTI does not say that it copies what open() hands over.
  std::string chip_;
  std::vector<std::uint8_t> availability_;
  std::vector<std::string> metrics_;
  mutable std::vector<const char*> names_;  // CUPTI takes pointers to names that it does not change
  std::vector<std::uint8_t> configuration_;
  std::size_t passes_ = 0;
};

}  // namespace rooftop::capture
