#include "inference/files/config_check.h"

#include <fmt/format.h>

#include <cmath>

#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

struct Bound {
  const char* what;
  std::int64_t value;
  std::int64_t most;  // far above any model, and small enough that no product below overflows
};

void check_dimensions(const Config& c, const std::string& source) {
  const Bound bounds[] = {
      {"hidden size", c.hidden, 1 << 20},    {"number of layers", c.layers, 1 << 12},
      {"number of heads", c.heads, 1 << 12}, {"number of key/value heads", c.kv_heads, 1 << 12},
      {"head size", c.head_dim, 1 << 12},    {"MLP width", c.ffn, 1 << 22},
      {"vocabulary", c.vocab, 1 << 24},      {"longest context", c.max_positions, 1 << 30},
  };
  for (const Bound& b : bounds) {
    if (b.value < 1 || b.value > b.most) {
      throw InputError(fmt::format("{}: the {} is {}, which is not between 1 and {}.", source,
                                   b.what, b.value, b.most));
    }
  }
}

void check_token(const Config& c, std::int32_t id, const char* what, const std::string& source) {
  if (id >= c.vocab) {
    throw InputError(fmt::format("{}: the {} token is {}, beyond the vocabulary of {}.", source,
                                 what, id, c.vocab));
  }
}

}  // namespace

void check_config(const Config& c, const std::string& source) {
  check_dimensions(c, source);
  if (c.heads % c.kv_heads != 0) {
    throw InputError(
        fmt::format("{}: {} heads cannot share {} key/value heads equally; correct the config.",
                    source, c.heads, c.kv_heads));
  }
  if (c.head_dim % 2 != 0) {
    throw InputError(
        fmt::format("{}: the head size {} is odd, but RoPE turns pairs; correct the config.",
                    source, c.head_dim));
  }
  if (!(std::isfinite(c.norm_eps) && c.norm_eps > 0 && c.norm_eps < 1)) {
    throw InputError(fmt::format("{}: the RMS norm's epsilon is {}, which is not between 0 and 1.",
                                 source, c.norm_eps));
  }
  const RopeConfig& r = c.rope;
  if (!(std::isfinite(r.theta) && r.theta > 0)) {
    throw InputError(
        fmt::format("{}: the RoPE base is {}, which is no positive number.", source, r.theta));
  }
  if (r.scaling == RopeScaling::kLlama3) {
    const bool good = std::isfinite(r.factor) && r.factor >= 1 &&
                      std::isfinite(r.original_max_positions) && r.original_max_positions >= 1 &&
                      std::isfinite(r.high_freq_factor) && r.low_freq_factor > 0 &&
                      r.high_freq_factor > r.low_freq_factor;
    if (!good) {
      throw InputError(fmt::format(
          "{}: the llama3 RoPE scaling (factor {}, low {}, high {}, original length {}) is "
          "impossible; correct the config.",
          source, r.factor, r.low_freq_factor, r.high_freq_factor, r.original_max_positions));
    }
  }
  check_token(c, c.bos_token, "BOS", source);
  for (const std::int32_t id : c.eos_tokens) check_token(c, id, "EOS", source);
}

}  // namespace rooftop::inference
