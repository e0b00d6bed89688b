#include "inference/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace rooftop::inference {
namespace {

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (SplitMix64's finaliser).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

std::int32_t largest(std::span<const float> values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best] || std::isnan(values[best])) best = i;
  }
  return std::isnan(values[best]) ? 0 : static_cast<std::int32_t>(best);
}

void largest_of_rows(std::span<const float> values, std::size_t width,
                     std::vector<std::int32_t>& out) {
  out.clear();
  for (; !values.empty(); values = values.subspan(width)) {
    out.push_back(largest(values.first(width)));
  }
}

Sampler::Sampler(double temperature, double top_p, std::uint64_t seed, std::uint64_t stream)
    : temperature_(temperature),
      top_p_(top_p),
      engine_(mix(seed + 0x9E3779B97F4A7C15U * (stream + 1))) {}

std::int32_t Sampler::draw(std::span<const float> logits) {
  const std::int32_t best = largest(logits);
  if (temperature_ == 0) return best;
  const double uniform = static_cast<double>(engine_() >> 11) * 0x1p-53;  // [0, 1)
  const double top = logits[static_cast<std::size_t>(best)];
  if (!std::isfinite(top)) return best;
  weights_.resize(logits.size());
  double total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((logits[i] - top) / temperature_);
    weights_[i] = std::isnan(weight) ? 0 : weight;
    total += weights_[i];
  }
  if (top_p_ < 1) return draw_nucleus(total, uniform);
  double left = uniform * total;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return static_cast<std::int32_t>(i);
  }
  return best;  // rounding used up the last of the total
}

std::int32_t Sampler::draw_nucleus(double total, double uniform) {
  // Tokens less probable than (1 - top_p) / V cannot be in the nucleus: all of them together weigh
  // less than 1 - top_p. What remains is short enough to sort.
  const double least = (1 - top_p_) * total / static_cast<double>(weights_.size());
  order_.clear();
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] >= least) order_.push_back(static_cast<std::int32_t>(i));
  }
  const auto weight = [&](std::int32_t i) { return weights_[static_cast<std::size_t>(i)]; };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return weight(a) > weight(b); });
  double nucleus = 0;
  std::size_t count = 0;
  while (count < order_.size() && nucleus < top_p_ * total) nucleus += weight(order_[count++]);
  double left = uniform * nucleus;
  for (std::size_t i = 0; i < count; ++i) {
    left -= weight(order_[i]);
    if (left < 0) return order_[i];
  }
  return order_.front();
}

}  // namespace rooftop::inference
