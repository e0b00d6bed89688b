// Random weights as fast as memory takes them: a table of Gaussians is made once, and each block of
// a tensor copies a stretch of it from a place, and with a sign, that a hash of (seed, tensor,
// block) chooses.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "inference/files/config_check.h"
#include "inference/files/model_files.h"
#include "inference/files/tensors.h"

namespace rooftop::inference {
namespace {

constexpr std::int64_t kBlock = 256;         // values that one hash places
constexpr std::uint64_t kTable = 1 << 17;    // 512 KiB: fits a second-level cache
constexpr float kStandardDeviation = 0.02f;  // as Llama's linear layers are initialised

// splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

double uniform(std::uint64_t counter) {  // in (0, 1]
  return static_cast<double>((mix(counter) >> 11) + 1) * 0x1p-53;
}

// Standard Gaussians (Box-Muller), with a block more at the end so that no stretch wraps around.
std::vector<float> make_table() {
  std::vector<float> table(kTable + kBlock);
  for (std::uint64_t i = 0; i < kTable; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log(uniform(i)));
    const double angle = 2.0 * std::numbers::pi * uniform(i + 1);
    table[i] = static_cast<float>(radius * std::cos(angle));
    table[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  std::copy_n(table.begin(), kBlock, table.begin() + kTable);
  return table;
}

class RandomModel final : public WeightSource {
 public:
  RandomModel(Config config, std::uint64_t seed) : config_(std::move(config)), seed_(seed) {
    if (config_.checkpoint_dtype.empty()) config_.checkpoint_dtype = "bf16";
  }

  [[nodiscard]] const Config& config() const override { return config_; }
  [[nodiscard]] bool random() const override { return true; }

  void read_rows(TensorId id, std::int64_t first_row, std::int64_t row_count,
                 std::span<float> out) const override {
    if (is_norm(id.kind)) {
      std::fill(out.begin(), out.end(), 1.0f);
      return;
    }
    const std::int64_t cols = shape_of(id.kind, config_).cols;
    fill(tensor_hash(id), scale_of(id.kind), first_row * cols,
         out.first(static_cast<std::size_t>(row_count * cols)));
  }

 private:
  // What writes to the residual stream is smaller, so that the stream grows no faster with depth
  // than that of a trained model (GPT-2's rule).
  [[nodiscard]] float scale_of(TensorKind kind) const {
    if (kind != TensorKind::kO && kind != TensorKind::kDown) return kStandardDeviation;
    return kStandardDeviation / std::sqrt(2.0f * static_cast<float>(config_.layers));
  }

  [[nodiscard]] std::uint64_t tensor_hash(TensorId id) const {
    const TensorId stored = stored_id(id, config_);
    const auto layer = static_cast<std::uint64_t>(stored.layer);
    return mix(mix(seed_) ^ (layer << 8 | static_cast<std::uint64_t>(stored.kind)));
  }

  // Values [first, first + out.size()) of the tensor.
  static void fill(std::uint64_t hash, float scale, std::int64_t first, std::span<float> out) {
    static const std::vector<float> table = make_table();
    std::size_t done = 0;
    while (done < out.size()) {
      const std::int64_t index = first + static_cast<std::int64_t>(done);
      const std::int64_t within = index % kBlock;
      const std::uint64_t place = mix(hash + static_cast<std::uint64_t>(index / kBlock));
      const float factor = (place >> 63) != 0 ? -scale : scale;
      const float* in = table.data() + place % kTable + within;
      const std::size_t count =
          std::min(out.size() - done, static_cast<std::size_t>(kBlock - within));
      for (std::size_t i = 0; i < count; ++i) out[done + i] = factor * in[i];
      done += count;
    }
  }

  Config config_;
  std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<WeightSource> random_model(const Config& config, std::uint64_t seed) {
  check_config(config, "the shape " + config.name);
  return std::make_unique<RandomModel>(config, seed);
}

}  // namespace rooftop::inference
