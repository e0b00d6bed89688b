// A Llama-family decoder as plain facts: its dimensions, its tensors, and where their values come
// from. One row of activations per token; weights are stored [out][in], as Hugging Face does: y = x
// * W^T.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rooftop::inference {

enum class RopeScaling : std::uint8_t { kNone, kLlama3 };

struct RopeConfig {
  double theta = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  // Of kLlama3 only: Llama 3.1's frequency-dependent stretching.
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  double original_max_positions = 8192;
};

struct Config {
  std::string name;  // "llama-7b"; else the file's or folder's name
  std::string architecture = "llama";
  std::int64_t hidden = 0;  // h: width of the residual stream
  std::int64_t layers = 0;
  std::int64_t heads = 0;          // n: query heads
  std::int64_t kv_heads = 0;       // g: key/value heads; n is a multiple of g
  std::int64_t head_dim = 0;       // d: need not be h / n
  std::int64_t ffn = 0;            // i: width of the MLP
  std::int64_t vocab = 0;          // V
  std::int64_t max_positions = 0;  // longest context the model was made for
  double norm_eps = 1e-5;
  RopeConfig rope;
  bool tied_embeddings = false;  // the language-model head reuses the token embedding
  std::string checkpoint_dtype;  // "f32", "f16", "bf16", "q4_1", "q8_0": of most weights; what
                                 // --dtype defaults from
  std::int32_t bos_token = -1;
  std::vector<std::int32_t> eos_tokens;
};

enum class TensorKind : std::uint8_t {
  kEmbedding,      // [V][h]
  kAttentionNorm,  // [h]
  kQ,          // [n*d][h]  rows in half-split (rotate_half) RoPE order, whatever the file's order
  kK,          // [g*d][h]  likewise
  kV,          // [g*d][h]
  kO,          // [h][n*d]
  kMlpNorm,    // [h]
  kGate,       // [i][h]
  kUp,         // [i][h]
  kDown,       // [h][i]
  kFinalNorm,  // [h]
  kLmHead,     // [V][h]  with tied embeddings the source answers with the embedding
};

struct TensorId {
  TensorKind kind = TensorKind::kEmbedding;
  std::int32_t layer = 0;  // ignored outside the layers
};

// Rows and columns of a tensor, from the config alone.
struct TensorShape {
  std::int64_t rows = 0;  // 1 for norms
  std::int64_t cols = 0;
};
TensorShape shape_of(TensorKind kind, const Config& config);

// Where weights come from: a GGUF file, a folder of safetensors, or a random generator.
// Thread-safe: an engine may read several tensors at once.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  [[nodiscard]] virtual const Config& config() const = 0;
  // Writes rows [first_row, first_row + row_count) as float, row after row, into `out` (row_count *
  // cols values). Everything that could be wrong with the file was found when it was opened: this
  // does not fail.
  virtual void read_rows(TensorId id, std::int64_t first_row, std::int64_t row_count,
                         std::span<float> out) const = 0;
  [[nodiscard]] virtual bool random() const = 0;
};

}  // namespace rooftop::inference
