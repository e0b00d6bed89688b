#include "profiler/capture/overhead_budget.h"

#include <algorithm>
#include <cmath>

namespace rooftop::capture {
namespace {

bool alike(const StepKind& a, const StepKind& b) {
  if (a.phase != b.phase || a.batch != b.batch || a.query_tokens != b.query_tokens) return false;
  // A warm-up's shape is warm, and its graph captured, at this very length only.
  if (a.warmup || b.warmup) return a.warmup == b.warmup && a.length == b.length;
  const double longer = std::max(a.length, b.length);
  const double shorter = std::min(a.length, b.length);
  return shorter >= 0.9 * longer;
}

}  // namespace

OverheadBudget::Baseline& OverheadBudget::baseline_of(const StepKind& step) noexcept {
  Baseline* oldest = &baselines_.front();
  for (Baseline& b : baselines_) {
    if (b.last_use > 0 && alike(b.kind, step)) {
      b.last_use = ++clock_;
      return b;
    }
    if (b.last_use < oldest->last_use) oldest = &b;
  }
  *oldest = {.kind = step, .seconds = 0, .seen = 0, .last_use = ++clock_};
  return *oldest;
}

// After each recorded block, as many that are not as the budget asks for.
void OverheadBudget::start_block() noexcept {
  left_in_block_ = kBlock;
  if (off_blocks_left_ > 0) {
    --off_blocks_left_;
    recording_ = false;
    return;
  }
  if (!measured()) {  // in turns until something is known
    recording_ = !recording_;
    return;
  }
  if (!recording_) {
    recording_ = true;
    ++on_blocks_;
    return;
  }
  const double share = cost() / budget_;  // of the time that is not recorded
  if (share > 1) {
    off_blocks_left_ = static_cast<int>(std::min(std::ceil(share), 1000.0)) - 1;
    recording_ = false;
  } else if (++on_blocks_ >= kBlocksUntilOff) {
    on_blocks_ = 0;
    recording_ = false;
  }
}

bool OverheadBudget::next(const StepKind& step) noexcept {
  current_ = step;
  if (budget_ <= 0) {
    // In turns once the kind is warm.
    const std::uint64_t seen = baseline_of(step).seen;
    recording_ = !step.warmup || seen < kCold || seen % 2 == 1;
    return recording_;
  }
  if (left_in_block_ == 0) start_block();
  --left_in_block_;
  return recording_;
}

void OverheadBudget::took(Duration time) noexcept {
  const double seconds = time.seconds();
  if (seconds <= 0) return;
  Baseline& baseline = baseline_of(current_);
  const bool cold = baseline.seen++ < kCold;
  if (!current_.warmup) {
    total_seconds_ += seconds;
    if (recording_) recorded_seconds_ += seconds;
    if (!recording_) ++left_out_;
  }
  if (cold) return;
  if (!recording_) {
    baseline.seconds = baseline.seconds > 0 ? 0.75 * baseline.seconds + 0.25 * seconds : seconds;
  } else if (baseline.seconds > 0) {
    costs_[samples_++ % kSamples] = seconds / baseline.seconds - 1;
  }
}

double OverheadBudget::cost() const noexcept {
  std::array<double, kSamples> sorted = costs_;
  const auto count = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(samples_, kSamples));
  if (count == 0) return 0;
  std::nth_element(sorted.begin(), sorted.begin() + count / 2, sorted.begin() + count);
  return sorted[static_cast<std::size_t>(count / 2)];
}

double OverheadBudget::spent() const noexcept {
  if (total_seconds_ <= 0) return 0;
  const double per_recorded = std::max(cost(), 0.0);
  return recorded_seconds_ * per_recorded / (1 + per_recorded) / total_seconds_;
}

}  // namespace rooftop::capture
