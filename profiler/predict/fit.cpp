#include <array>
#include <cmath>

#include "profiler/predict/calibrate.h"
#include "profiler/predict/least_squares.h"

namespace rooftop::predict {
namespace {

// Unknowns of the fit are unbounded: a coefficient above 0 is the exponential of its unknown, one
// above 1 is that plus 1, and one between 0 and 1 a logistic function.
enum class Range { kPositive, kAboveOne, kFraction };

double to_unknown(Range range, double value) {
  switch (range) {
    case Range::kAboveOne:
      return std::log(value - 1);
    case Range::kFraction:
      return std::log(value / (1 - value));
    case Range::kPositive:
      break;
  }
  return std::log(value);
}

double from_unknown(Range range, double unknown) {
  switch (range) {
    case Range::kAboveOne:
      return 1 + std::exp(unknown);
    case Range::kFraction:
      return 1 / (1 + std::exp(-unknown));
    case Range::kPositive:
      break;
  }
  return std::exp(unknown);
}

// How strongly a fit holds to the values it begins with, per unknown, beside residuals of some
// hundred samples.
constexpr double kWeakPrior = 0.1;
// An empty kernel is known to take about 2 us; few samples are short enough to say so. And that
// libraries mostly choose well holds beyond the shapes of the samples.
constexpr double kLaunchPrior = 3;
constexpr double kChoicePrior = 1;
constexpr double kWavePrior = 0.3;
constexpr double kStridePrior = 1;
constexpr double kTilePrior = 0.3;  // a tile that no sample chooses keeps its share

// visit(coefficient, range, weight of its prior) for each.
template <typename Coefficients, typename Visit>
void each(Coefficients& c, const Visit& visit) requires(
    std::is_same_v<std::remove_const_t<Coefficients>, GemmCoefficients>) {
  visit(c.launch_s, Range::kPositive, kLaunchPrior);
  visit(c.bandwidth_share, Range::kPositive, kWeakPrior);
  visit(c.overlap, Range::kAboveOne, kWeakPrior);
  visit(c.wave_s, Range::kPositive, kWavePrior);
  visit(c.split_s, Range::kPositive, kWeakPrior);
  visit(c.split_bandwidth_share, Range::kPositive, kWeakPrior);
  visit(c.quantisation, Range::kFraction, kWeakPrior);
  visit(c.l2_fill, Range::kPositive, kWeakPrior);
  visit(c.l2_speed, Range::kPositive, kWeakPrior);
  visit(c.tile_read_speed, Range::kPositive, kWeakPrior);
  visit(c.stride_cost, Range::kPositive, kStridePrior);
  visit(c.gated_peak, Range::kPositive, kWeakPrior);
  visit(c.choice, Range::kPositive, kChoicePrior);
  for (auto& share : c.tile_share) visit(share, Range::kPositive, kTilePrior);
}

template <typename Coefficients, typename Visit>
void each(Coefficients& c, const Visit& visit) requires(
    std::is_same_v<std::remove_const_t<Coefficients>, AttentionCoefficients>) {
  visit(c.launch_s, Range::kPositive, kWeakPrior);
  visit(c.wave_s, Range::kPositive, kWeakPrior);
  visit(c.bandwidth_share, Range::kPositive, kWeakPrior);
  visit(c.read_share, Range::kPositive, kWeakPrior);
  visit(c.peak_share, Range::kPositive, kWeakPrior);
  visit(c.new_key_cost, Range::kPositive, kWeakPrior);
  visit(c.quantisation, Range::kFraction, kWeakPrior);
  visit(c.split_s, Range::kPositive, kWeakPrior);
}

template <typename Coefficients, typename Visit>
void each(Coefficients& c, const Visit& visit) requires(
    std::is_same_v<std::remove_const_t<Coefficients>, StreamCoefficients>) {
  visit(c.launch_s, Range::kPositive, kWeakPrior);
  visit(c.bandwidth_share, Range::kPositive, kWeakPrior);
}

// The coefficients at which seconds(sample, coefficients) is nearest to the samples' times, by
// their ratio.
template <typename Coefficients, typename Sample, typename Seconds>
Coefficients fit(const std::vector<const Sample*>& samples, const Seconds& seconds) {
  LeastSquaresProblem problem;
  const Coefficients start;
  each(start, [&](double value, Range range, double weight) {
    problem.prior.push_back(to_unknown(range, value));
    problem.prior_weight.push_back(weight);
  });
  const auto coefficients = [](std::span<const double> x) {
    Coefficients c;
    std::size_t i = 0;
    each(c, [&](double& value, Range range, double) { value = from_unknown(range, x[i++]); });
    return c;
  };
  problem.residual_count = samples.size();
  problem.residuals = [&](std::span<const double> x, std::span<double> residuals) {
    const Coefficients c = coefficients(x);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      residuals[i] = std::log(seconds(*samples[i], c) / samples[i]->seconds);
    }
  };
  return coefficients(solve(problem));
}

}  // namespace

GemmCoefficients fit_gemm(const std::vector<const GemmSample*>& samples) {
  return fit<GemmCoefficients>(samples, [](const GemmSample& s, const GemmCoefficients& c) {
    return gemm_seconds(s.shape, s.origin.figures, c);
  });
}

AttentionCoefficients fit_attention(const std::vector<const AttentionSample*>& samples) {
  return fit<AttentionCoefficients>(samples,
                                    [](const AttentionSample& s, const AttentionCoefficients& c) {
                                      return flash_attention_seconds(s.shape, s.origin.figures, c);
                                    });
}

StreamCoefficients fit_stream(const std::vector<const StreamSample*>& samples) {
  return fit<StreamCoefficients>(samples, [](const StreamSample& s, const StreamCoefficients& c) {
    return c.launch_s + s.bytes / (s.origin.figures.bandwidth * c.bandwidth_share);
  });
}

}  // namespace rooftop::predict
