// Hardware counters of a launch as the figures that reports show. Which metric feeds which figure
// is decided here, at report time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "profiler/core/provenance.h"
#include "profiler/core/records.h"

namespace rooftop {

enum class CounterFigure : std::uint8_t {
  kDramRead,
  kDramWritten,
  kL2,
  kTensorFlops,
  kFp32Flops,
  kFp16Flops,
  kFp64Flops,
  kTimeError,     // of a predicted time, relative
  kBasis,         // of a predicted time: 0 calibrated, 1 transferred, 2 uncalibrated
  kTensorCycles,  // in which tensor cores worked, summed over multiprocessors
  kSmCycles,      // all that passed, likewise
  kDram,          // read and written as one figure, as some recordings have it
};
inline constexpr int kCounterFigures = 12;

// What a trace without a run says of its launches' times beside the times themselves.
inline constexpr std::string_view kTimeErrorMetric = "rooftop__time_error.ratio";
inline constexpr std::string_view kBasisMetric = "rooftop__calibration.level";

// One unit of the metric is `weight` units of the figure.
struct CounterMeaning {
  CounterFigure figure;
  double weight;
};

// None for a metric that no figure is made of.
std::optional<CounterMeaning> meaning_of(std::string_view metric);

// What was counted for one launch. A figure that was not counted is absent, never zero.
class LaunchCounters {
 public:
  void add(CounterMeaning meaning, double value, Provenance source);
  // Takes from `weaker` what is absent here.
  void fill(const LaunchCounters& weaker);

  [[nodiscard]] Figure get(CounterFigure figure) const {
    return figures_[static_cast<int>(figure)];
  }
  // Read and written together; absent unless both were counted, apart or as one.
  [[nodiscard]] Figure dram_bytes() const;
  // All kinds together. Absent unless the kinds that were counted saw any work: tensor counters
  // alone say nothing about a kernel that does without tensor cores.
  [[nodiscard]] Figure flops() const;

 private:
  Figure figures_[kCounterFigures];
};

}  // namespace rooftop
