// Oracles of the CPU tests: everything in double, in the plainest way, and random data.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/cpu/kernels.h"

namespace rooftop::inference::cpu {

// Rounds to the compute type, to nearest even, by the definition of the format.
double rounded(double value, DType dtype);
// Relative spacing of the type's numbers: half of it is the largest rounding error.
double epsilon_of(DType dtype);

// Values in storage of the compute type, and what they are exactly.
struct Stored {
  DType dtype = DType::kF32;
  std::vector<double> values;
  std::vector<std::byte> bytes;  // has slack in front, so that alignment is whatever it is

  Stored(DType type, std::vector<double> exact);  // rounds
  Stored(DType type, std::size_t count);          // zeros
  [[nodiscard]] void* data() { return bytes.data(); }
  [[nodiscard]] const void* data() const { return bytes.data(); }
  [[nodiscard]] std::vector<double> read() const;  // what the bytes hold now
};

std::vector<double> gaussian(std::mt19937_64& engine, std::size_t count, double scale = 1);

// Every instruction set that this machine has.
std::vector<Isa> usable_isas();

// softmax(q k^T / sqrt(d)) v of one head and one query over `keys` keys, [key][d] each.
std::vector<double> naive_attention(std::span<const double> q, std::span<const double> k,
                                    std::span<const double> v);

// The whole model on one sequence without a cache: logits of every position, [tokens][V]. Weights
// are rounded to `dtype` as a backend does when it loads them, nothing else is. `layers` 0: all.
std::vector<std::vector<double>> naive_logits(const WeightSource& source,
                                              std::span<const std::int32_t> tokens, DType dtype,
                                              std::int64_t layers = 0);

}  // namespace rooftop::inference::cpu
