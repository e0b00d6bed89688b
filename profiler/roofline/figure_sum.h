// Sums and spreads of figures, as reports need them.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "profiler/core/provenance.h"

namespace rooftop {

// A sum of figures: as weak as its weakest part, and absent as soon as one part is, for a sum with
// a hole in it is not the sum.
class FigureSum {
 public:
  void add(const Figure& figure) {
    value_ += figure.value;
    source_ = weakest(source_, figure.source);
    empty_ = false;
  }
  void add(const FigureSum& other) {
    if (other.empty_) return;
    add(Figure{.value = other.value_, .source = other.source_});
  }
  [[nodiscard]] Figure get() const {
    if (empty_ || source_ == Provenance::kAbsent || !std::isfinite(value_)) return {};
    return {.value = value_, .source = source_};
  }

 private:
  double value_ = 0;
  Provenance source_ = Provenance::kMeasured;
  bool empty_ = true;
};

// Two figures of the same launches, and how they compare; launches that lack either take no part.
class RatioSum {
 public:
  void add(const Figure& over, const Figure& under) {
    if (!over.present() || !under.present()) return;
    over_ += over.value;
    under_ += under.value;
    ++count_;
  }
  void add(const RatioSum& other) {
    over_ += other.over_;
    under_ += other.under_;
    count_ += other.count_;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::optional<double> get() const {
    const double ratio = over_ / under_;
    return under_ > 0 && std::isfinite(ratio) ? std::optional(ratio) : std::nullopt;
  }

 private:
  double over_ = 0;
  double under_ = 0;
  std::uint64_t count_ = 0;
};

// Running mean and variance (Welford).
class Spread {
 public:
  void add(double x) {
    ++count_;
    const double delta = x - mean_;
    mean_ += delta / static_cast<double>(count_);
    squares_ += delta * (x - mean_);
  }
  // Sample standard deviation over `total` values, of which those that were not added are 0. 0 for
  // fewer than two.
  [[nodiscard]] double sample_deviation(std::uint64_t total) const {
    if (total < 2) return 0;
    const auto all = static_cast<double>(total);
    const auto added = static_cast<double>(count_);
    const double zeros = total > count_ ? all - added : 0;
    const double squares = squares_ + mean_ * mean_ * added * zeros / all;
    return std::sqrt(squares / (all - 1));
  }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace rooftop
