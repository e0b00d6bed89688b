// Draws tokens from logits. The same seed gives the same tokens on every platform: the generator
// and its use are fixed here, not left to the standard library's distributions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace rooftop::inference {

// Index of the largest value, the first of equals; 0 where none is a number.
std::int32_t largest(std::span<const float> values);

// The same of each row of `width` values; `out` is replaced.
void largest_of_rows(std::span<const float> values, std::size_t width,
                     std::vector<std::int32_t>& out);

class Sampler {
 public:
  // temperature 0: greedy. top_p < 1: draws from the smallest set of most probable tokens whose
  // probabilities reach top_p. Each sequence of a batch has a stream of its own.
  Sampler(double temperature, double top_p, std::uint64_t seed, std::uint64_t stream = 0);

  std::int32_t draw(std::span<const float> logits);

 private:
  std::int32_t draw_nucleus(double total, double uniform);

  double temperature_;
  double top_p_;
  std::mt19937_64 engine_;
  std::vector<double> weights_;      // exp((logit - largest) / temperature)
  std::vector<std::int32_t> order_;  // of the nucleus: most probable first
};

}  // namespace rooftop::inference
