#include "tests/inference/cpu/reference.h"

#include <cmath>
#include <cstring>
#include <numbers>

namespace rooftop::inference::cpu {
namespace {

using Matrix = std::vector<std::vector<double>>;

std::uint16_t encode16(double value, DType dtype) {
  // Every number that occurs here is rounded() already: only its bits are to be found.
  const auto f = static_cast<float>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &f, sizeof bits);
  if (dtype == DType::kBF16) return static_cast<std::uint16_t>(bits >> 16);
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude < 0x1p-14) return sign | static_cast<std::uint16_t>(magnitude * 0x1p24);
  int exponent = 0;
  const double mantissa = std::frexp(magnitude, &exponent);  // [0.5, 1)
  return static_cast<std::uint16_t>(sign | static_cast<int>(exponent + 14) << 10 |
                                    static_cast<int>((mantissa * 2 - 1) * 1024));
}

double decode16(std::uint16_t bits, DType dtype) {
  if (dtype == DType::kBF16) {
    const std::uint32_t wide = std::uint32_t{bits} << 16;
    float f = 0;
    std::memcpy(&f, &wide, sizeof f);
    return f;
  }
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

Matrix read(const WeightSource& source, TensorKind kind, std::int32_t layer, DType dtype) {
  const TensorShape shape = shape_of(kind, source.config());
  Matrix out;
  std::vector<float> row(static_cast<std::size_t>(shape.cols));
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    source.read_rows({kind, layer}, i, 1, row);
    out.emplace_back();
    for (const float value : row) out.back().push_back(rounded(value, dtype));
  }
  return out;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> multiply(const Matrix& w, std::span<const double> x) {
  std::vector<double> y;
  for (const auto& row : w) y.push_back(dot(row, x));
  return y;
}

std::vector<double> norm(std::span<const double> x, const Matrix& weight, double eps) {
  const double scale = 1 / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + eps);
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * scale * weight[0][i]);
  return y;
}

double frequency(const RopeConfig& rope, double pair, double head_dim) {
  const double f = std::pow(rope.theta, -2 * pair / head_dim);
  if (rope.scaling == RopeScaling::kNone) return f;
  const double wavelength = 2 * std::numbers::pi / f;
  const double longest = rope.original_max_positions / rope.low_freq_factor;
  const double shortest = rope.original_max_positions / rope.high_freq_factor;
  if (wavelength > longest) return f / rope.factor;
  if (wavelength < shortest) return f;
  const double smooth = (rope.original_max_positions / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - smooth) * f / rope.factor + smooth * f;
}

void rotate(std::span<double> head, std::size_t position, const RopeConfig& rope) {
  const std::size_t half = head.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) *
                         frequency(rope, static_cast<double>(i), static_cast<double>(head.size()));
    const double a = head[i];
    const double b = head[i + half];
    head[i] = a * std::cos(angle) - b * std::sin(angle);
    head[i + half] = b * std::cos(angle) + a * std::sin(angle);
  }
}

void add(std::vector<double>& x, std::span<const double> y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

// Attention of one layer for all positions: x is what the attention norm made.
Matrix attention_layer(const WeightSource& source, std::int32_t layer, DType dtype,
                       const Matrix& x) {
  const Config& c = source.config();
  const auto d = static_cast<std::size_t>(c.head_dim);
  const Matrix wq = read(source, TensorKind::kQ, layer, dtype);
  const Matrix wk = read(source, TensorKind::kK, layer, dtype);
  const Matrix wv = read(source, TensorKind::kV, layer, dtype);
  std::vector<std::vector<double>> keys(static_cast<std::size_t>(c.kv_heads));
  auto values = keys;
  Matrix out;
  for (std::size_t t = 0; t < x.size(); ++t) {
    auto q = multiply(wq, x[t]);
    auto k = multiply(wk, x[t]);
    const auto v = multiply(wv, x[t]);
    for (std::size_t g = 0; g < keys.size(); ++g) {
      rotate(std::span(k).subspan(g * d, d), t, c.rope);
      keys[g].insert(keys[g].end(), k.begin() + static_cast<std::ptrdiff_t>(g * d),
                     k.begin() + static_cast<std::ptrdiff_t>((g + 1) * d));
      values[g].insert(values[g].end(), v.begin() + static_cast<std::ptrdiff_t>(g * d),
                       v.begin() + static_cast<std::ptrdiff_t>((g + 1) * d));
    }
    out.emplace_back();
    for (std::size_t head = 0; head < static_cast<std::size_t>(c.heads); ++head) {
      const auto mine = std::span(q).subspan(head * d, d);
      rotate(mine, t, c.rope);
      const std::size_t g = head / static_cast<std::size_t>(c.heads / c.kv_heads);
      const auto a = naive_attention(mine, keys[g], values[g]);
      out.back().insert(out.back().end(), a.begin(), a.end());
    }
  }
  return out;
}

std::vector<double> mlp(const Matrix& gate, const Matrix& up, const Matrix& down,
                        std::span<const double> x) {
  auto g = multiply(gate, x);
  const auto u = multiply(up, x);
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = g[i] / (1 + std::exp(-g[i])) * u[i];
  return multiply(down, g);
}

}  // namespace

double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 0x1p-23;
    case DType::kBF16:
      return 0x1p-7;
    case DType::kF16:
      return 0x1p-10;
  }
  return 0;
}

double rounded(double value, DType dtype) {
  if (value == 0 || !std::isfinite(value)) return value;
  int exponent = 0;
  std::frexp(value, &exponent);  // |value| in [2^(exponent - 1), 2^exponent)
  const int bits = dtype == DType::kF32 ? 24 : (dtype == DType::kBF16 ? 8 : 11);
  const int least = dtype == DType::kF16 ? -13 : -125;  // below it numbers are evenly spaced
  const double unit = std::ldexp(1, std::max(exponent, least) - bits);
  const double result = std::nearbyint(value / unit) * unit;
  const double most = dtype == DType::kF16 ? 65504 : 0x1p128;
  return std::fabs(result) > most ? std::copysign(HUGE_VAL, value) : result;
}

Stored::Stored(DType type, std::vector<double> exact) : Stored(type, exact.size()) {
  for (std::size_t i = 0; i < exact.size(); ++i) {
    values[i] = rounded(exact[i], dtype);
    if (dtype == DType::kF32) {
      const auto f = static_cast<float>(values[i]);
      std::memcpy(bytes.data() + 4 * i, &f, 4);
    } else {
      const std::uint16_t raw = encode16(values[i], dtype);
      std::memcpy(bytes.data() + 2 * i, &raw, 2);
    }
  }
}

Stored::Stored(DType type, std::size_t count)
    : dtype(type), values(count), bytes(count * static_cast<std::size_t>(bytes_of(type))) {}

std::vector<double> Stored::read() const {
  std::vector<double> out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kF32) {
      float f = 0;
      std::memcpy(&f, bytes.data() + 4 * i, 4);
      out.push_back(f);
    } else {
      std::uint16_t raw = 0;
      std::memcpy(&raw, bytes.data() + 2 * i, 2);
      out.push_back(decode16(raw, dtype));
    }
  }
  return out;
}

std::vector<double> gaussian(std::mt19937_64& engine, std::size_t count, double scale) {
  std::normal_distribution<double> normal(0, scale);
  std::vector<double> out(count);
  for (auto& value : out) value = normal(engine);
  return out;
}

std::vector<Isa> usable_isas() {
  std::vector<Isa> out;
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16}) {
    if (isa <= best_isa()) out.push_back(isa);
  }
  return out;
}

std::vector<double> naive_attention(std::span<const double> q, std::span<const double> k,
                                    std::span<const double> v) {
  const std::size_t d = q.size();
  std::vector<double> weights;
  double top = -HUGE_VAL;
  for (std::size_t key = 0; key < k.size() / d; ++key) {
    weights.push_back(dot(q, k.subspan(key * d, d)) / std::sqrt(static_cast<double>(d)));
    top = std::max(top, weights.back());
  }
  double sum = 0;
  for (auto& weight : weights) sum += weight = std::exp(weight - top);
  std::vector<double> out(d);
  for (std::size_t key = 0; key < weights.size(); ++key) {
    for (std::size_t i = 0; i < d; ++i) out[i] += weights[key] / sum * v[key * d + i];
  }
  return out;
}

std::vector<std::vector<double>> naive_logits(const WeightSource& source,
                                              std::span<const std::int32_t> tokens, DType dtype,
                                              std::int64_t layers) {
  const Config& c = source.config();
  const Matrix embedding = read(source, TensorKind::kEmbedding, 0, dtype);
  Matrix x;
  for (const auto token : tokens) x.push_back(embedding[static_cast<std::size_t>(token)]);
  for (std::int32_t layer = 0; layer < (layers == 0 ? c.layers : layers); ++layer) {
    const Matrix norm1 = read(source, TensorKind::kAttentionNorm, layer, dtype);
    Matrix y;
    for (const auto& row : x) y.push_back(norm(row, norm1, c.norm_eps));
    y = attention_layer(source, layer, dtype, y);
    const Matrix wo = read(source, TensorKind::kO, layer, dtype);
    const Matrix norm2 = read(source, TensorKind::kMlpNorm, layer, dtype);
    const Matrix gate = read(source, TensorKind::kGate, layer, dtype);
    const Matrix up = read(source, TensorKind::kUp, layer, dtype);
    const Matrix down = read(source, TensorKind::kDown, layer, dtype);
    for (std::size_t t = 0; t < x.size(); ++t) {
      add(x[t], multiply(wo, y[t]));
      add(x[t], mlp(gate, up, down, norm(x[t], norm2, c.norm_eps)));
    }
  }
  const Matrix last = read(source, TensorKind::kFinalNorm, 0, dtype);
  const Matrix head = read(source, TensorKind::kLmHead, 0, dtype);
  Matrix logits;
  for (const auto& row : x) logits.push_back(multiply(head, norm(row, last, c.norm_eps)));
  return logits;
}

}  // namespace rooftop::inference::cpu
