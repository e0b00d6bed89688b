#include "inference/cpu/noise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <random>

#include "inference/cpu/storage.h"

namespace rooftop::inference::cpu {
namespace {

// A sum of 64 random bits is binomial: mean 32, variance 16, close to a Gaussian, and one
// instruction. A uniform fraction makes the values continuous.
float gaussian(std::uint64_t bits, std::uint64_t fraction) {
  const double sum = std::popcount(bits) - 32.0;                            // variance 16
  const double rest = static_cast<double>(fraction >> 11) * 0x1p-53 - 0.5;  // variance 1/12
  constexpr double kScale = 0.249351;                                       // 1 / sqrt(16 + 1/12)
  return static_cast<float>((sum + rest) * kScale);
}

}  // namespace

void fill_noise(std::uint64_t seed, const TypedKernels& kernels, DType dtype, void* out,
                std::int64_t count) {
  std::mt19937_64 engine(seed);
  std::array<float, 1024> values;
  for (std::int64_t i = 0; i < count; i += std::ssize(values)) {
    const std::int64_t n = std::min(std::ssize(values), count - i);
    for (std::int64_t j = 0; j < n; ++j) {
      const std::uint64_t bits = engine();
      values[static_cast<std::size_t>(j)] = gaussian(bits, engine());
    }
    kernels.narrow(values.data(), at(out, i, dtype), n);
  }
}

}  // namespace rooftop::inference::cpu
