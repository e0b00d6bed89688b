#include "inference/backend.h"

#include <fmt/format.h>

#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

// Beyond this no machine serves: keeps every product of sizes far from overflow.
constexpr std::int64_t kMostRows = std::int64_t{1} << 30;

void check_range(const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw InputError(
      fmt::format("{} is {}: give a number between {} and {}.", what, value, least, most));
}

std::int64_t layers_run(const Config& config, const BackendOptions& options) {
  return options.layers == 0 ? config.layers : options.layers;
}

}  // namespace

std::int64_t bytes_of(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBF16:
      return "bf16";
    case DType::kF16:
      return "f16";
  }
  return "";
}

std::string_view name_of(Attention attention) {
  return attention == Attention::kFlash ? "flash" : "unfused";
}

void check_options(const Config& config, const BackendOptions& options) {
  check_range("The number of layers to run", options.layers, 0, config.layers);
  check_range("The batch", options.max_batch, 1, kMostRows);
  check_range("The length of the KV cache", options.max_length, 1, kMostRows);
  check_range("The number of rows of a step", options.max_rows, 1, kMostRows);
  check_range("The number of rows with logits", options.max_logit_rows, 1, options.max_rows);
  check_range("The number of threads", options.threads, 0, 4096);
  if (config.head_dim % 2 != 0) {
    throw InputError(fmt::format("The head size of {} is {}: RoPE needs an even one.", config.name,
                                 config.head_dim));
  }
  if (config.kv_heads < 1 || config.heads % config.kv_heads != 0) {
    throw InputError(
        fmt::format("{} has {} query heads and {} KV heads: the first must be a multiple of the "
                    "second.",
                    config.name, config.heads, config.kv_heads));
  }
}

MemoryNeed memory_need(const Config& c, const BackendOptions& options) {
  // In floating point, then rounded: hostile sizes must not wrap around to something small.
  const auto f = [](std::int64_t n) { return static_cast<double>(n); };
  const double element = f(bytes_of(options.dtype));
  const double h = f(c.hidden);
  const double q = f(c.heads) * f(c.head_dim);
  const double kv = f(c.kv_heads) * f(c.head_dim);
  const double layers = f(layers_run(c, options));
  const double per_layer = h * (2 * q + 2 * kv) + 3 * h * f(c.ffn) + 2 * h;
  const double tables = (c.tied_embeddings ? 1 : 2) * f(c.vocab) * h + h;
  const double rows = f(options.max_rows);
  double activations = rows * (2 * h + 2 * q + 2 * kv + 2 * f(c.ffn));
  if (options.attention == Attention::kUnfused) {
    activations += rows * f(c.heads) * f(options.max_length);
  }
  const double cache = layers * 2 * f(options.max_batch) * kv * f(options.max_length);
  const auto bytes = [](double value) {
    return value >= 0x1p62 ? std::uint64_t{1} << 62 : static_cast<std::uint64_t>(value);
  };
  return {bytes(element * (layers * per_layer + tables)), bytes(element * cache),
          bytes(element * activations + 4 * f(options.max_logit_rows) * f(c.vocab))};
}

std::string describe_need(const Config& config, const BackendOptions& options,
                          const MemoryNeed& need) {
  const auto gigabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) * 1e-9; };
  return fmt::format(
      "{} in {} with a KV cache of {} x {} tokens and steps of {} rows needs {:.2f} GB of memory "
      "(weights {:.2f}, KV cache {:.2f}, activations {:.2f})",
      config.name, name_of(options.dtype), options.max_batch, options.max_length, options.max_rows,
      gigabytes(need.total()), gigabytes(need.weights), gigabytes(need.kv_cache),
      gigabytes(need.activations));
}

}  // namespace rooftop::inference
