#include "profiler/roofs/cpu_gemm.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

using dnnl::memory;

// bf16 is the upper half of an f32, rounded to nearest even. Finite values only.
std::uint16_t to_bf16(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(std::uint16_t value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value) << 16;
  float result = 0;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

}  // namespace

struct SquareGemm::State {
  GemmType type;
  std::int64_t size;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  memory a;  // [size][size], row-major
  memory b;  // the same, kept for error()
  memory b_laid_out;
  memory c;
  dnnl::matmul product;
  std::string implementation;

  State(GemmType gemm_type, std::int64_t n) : type(gemm_type), size(n) {
    const auto kind = type == GemmType::kF32 ? memory::data_type::f32 : memory::data_type::bf16;
    const memory::dims dims = {n, n};
    const memory::desc plain(dims, kind, memory::format_tag::ab);
    const memory::desc any(dims, kind, memory::format_tag::any);
    const dnnl::matmul::desc desc(plain, any, plain);
    const dnnl::matmul::primitive_desc chosen(desc, engine);
    implementation = chosen.impl_info_str();
    product = dnnl::matmul(chosen);
    a = memory(plain, engine);
    b = memory(plain, engine);
    c = memory(plain, engine);
    fill(a, 1);
    fill(b, 2);
    b_laid_out = memory(chosen.weights_desc(), engine);
    dnnl::reorder(b, b_laid_out).execute(stream, b, b_laid_out);
    stream.wait();
  }

  // Uniform in [-1, 1]: random bits toggle the multipliers as real data does.
  void fill(const memory& target, std::uint32_t seed) const {
    std::minstd_rand random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    const auto count = static_cast<std::size_t>(size * size);
    void* data = target.get_data_handle();
    for (std::size_t i = 0; i < count; ++i) {
      const float value = uniform(random);
      if (type == GemmType::kF32) {
        static_cast<float*>(data)[i] = value;
      } else {
        static_cast<std::uint16_t*>(data)[i] = to_bf16(value);
      }
    }
  }

  [[nodiscard]] double at(const memory& from, std::int64_t row, std::int64_t column) const {
    const auto i = static_cast<std::size_t>(row * size + column);
    const void* data = from.get_data_handle();
    return type == GemmType::kF32 ? static_cast<const float*>(data)[i]
                                  : from_bf16(static_cast<const std::uint16_t*>(data)[i]);
  }
};

SquareGemm::SquareGemm(GemmType type, std::int64_t size) {
  try {
    state_ = std::make_unique<State>(type, size);
  } catch (const dnnl::error& error) {
    throw InputError(fmt::format("oneDNN cannot compute a {} product of size {} here: {}",
                                 type == GemmType::kF32 ? "f32" : "bf16", size, error.what()));
  }
}

SquareGemm::~SquareGemm() = default;

void SquareGemm::run() {
  state_->product.execute(state_->stream, {{DNNL_ARG_SRC, state_->a},
                                           {DNNL_ARG_WEIGHTS, state_->b_laid_out},
                                           {DNNL_ARG_DST, state_->c}});
  state_->stream.wait();
}

double SquareGemm::flops() const {
  const auto n = static_cast<double>(state_->size);
  return gemm_flops(n, n, n);
}

double SquareGemm::error() const {
  const State& s = *state_;
  double worst = 0;
  for (const auto& [row, column] :
       {std::pair<std::int64_t, std::int64_t>{0, 0}, {s.size / 2, 1}, {s.size - 1, s.size - 1}}) {
    double sum = 0;
    double magnitude = 0;
    for (std::int64_t k = 0; k < s.size; ++k) {
      const double term = s.at(s.a, row, k) * s.at(s.b, k, column);
      sum += term;
      magnitude += std::abs(term);
    }
    worst = std::max(worst, std::abs(s.at(s.c, row, column) - sum) / magnitude);
  }
  return worst;
}

std::string SquareGemm::implementation() const { return state_->implementation; }

}  // namespace rooftop
