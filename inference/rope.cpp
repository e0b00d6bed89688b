#include "inference/rope.h"

#include <cmath>
#include <cstddef>
#include <numbers>

namespace rooftop::inference {

std::vector<double> rope_frequencies(const RopeConfig& rope, std::int64_t head_dim) {
  std::vector<double> frequencies(static_cast<std::size_t>(head_dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    double f = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    if (rope.scaling == RopeScaling::kLlama3) {
      // Turns that the pair makes within the original context: few are slowed down, many are kept,
      // and those between are mixed.
      const double turns = rope.original_max_positions * f / (2 * std::numbers::pi);
      if (turns < rope.low_freq_factor) {
        f /= rope.factor;
      } else if (turns <= rope.high_freq_factor) {
        const double kept =
            (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
        f = (1 - kept) * f / rope.factor + kept * f;
      }
    }
    frequencies[i] = f;
  }
  return frequencies;
}

RopeTable::RopeTable(const RopeConfig& rope, std::int64_t head_dim, std::int64_t positions)
    : half(head_dim / 2) {
  const auto frequencies = rope_frequencies(rope, head_dim);
  const auto count = static_cast<std::size_t>(positions * half);
  cosine.reserve(count);
  sine.reserve(count);
  for (std::int64_t position = 0; position < positions; ++position) {
    for (const double f : frequencies) {
      const double angle = static_cast<double>(position) * f;
      cosine.push_back(static_cast<float>(std::cos(angle)));
      sine.push_back(static_cast<float>(std::sin(angle)));
    }
  }
}

}  // namespace rooftop::inference
