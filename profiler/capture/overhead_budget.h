// Which steps are recorded, so that recording costs no more than it may: steps are left out in
// turns, their times compared with those of recorded steps of the same shape, and the share of
// recorded steps follows from the cost that was measured.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "profiler/core/operator.h"
#include "profiler/core/time.h"

namespace rooftop::capture {

// What makes two steps comparable.
struct StepKind {
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;  // compared within a tenth
  bool warmup = false;
};

// Not thread-safe; allocates nothing.
class OverheadBudget {
 public:
  // `budget`: share of the run's time that recording may cost (0.01 for 1 %). 0: every step is
  // recorded but for some of the warm-up, where the cost is measured all the same.
  explicit OverheadBudget(double budget) : budget_(budget) {}

  // Whether the step that begins now is to be recorded.
  bool next(const StepKind& step) noexcept;
  // How long that step took.
  void took(Duration time) noexcept;

  // Time of a recorded step over that of one that was not, less one; negative where noise exceeds
  // it. Only where measured().
  [[nodiscard]] double cost() const noexcept;
  [[nodiscard]] bool measured() const noexcept { return samples_ > 0; }
  // Share of the steps' time (warm-up left out) that was spent on recording.
  [[nodiscard]] double spent() const noexcept;
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  static constexpr std::size_t kSamples = 64;
  static constexpr std::size_t kKinds = 16;
  static constexpr int kBlock = 8;            // steps of one sort in a row: switching costs, too
  static constexpr int kBlocksUntilOff = 32;  // the cost is measured anew now and then
  // First steps of a kind: never compared, and without a budget never left out, for a graph that is
  // captured while nothing is recorded may stay silent.
  static constexpr int kCold = 3;

  struct Baseline {
    StepKind kind;
    double seconds = 0;  // moving mean of steps that were not recorded
    std::uint64_t seen = 0;
    std::uint64_t last_use = 0;
  };
  Baseline& baseline_of(const StepKind& step) noexcept;
  void start_block() noexcept;

  double budget_;
  std::array<Baseline, kKinds> baselines_{};
  std::array<double, kSamples> costs_{};
  std::uint64_t samples_ = 0;
  std::uint64_t clock_ = 0;
  int left_in_block_ = 0;
  int off_blocks_left_ = 0;
  int on_blocks_ = 0;
  bool recording_ = true;
  StepKind current_;
  double recorded_seconds_ = 0;
  double total_seconds_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace rooftop::capture
