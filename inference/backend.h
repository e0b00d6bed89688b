// The small interface between the one Llama loop (loop.h) and the devices that compute it. The loop
// decides the order of the operators and opens a scope around each; a backend owns weights,
// activations and the KV cache, and computes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inference/model.h"

namespace rooftop::inference {

enum class DType : std::uint8_t {
  kF32,
  kBF16,
  kF16
};  // of weights, activations and KV cache alike; sums are fp32
enum class Attention : std::uint8_t { kUnfused, kFlash };

std::int64_t bytes_of(DType dtype);             // per element
std::string_view name_of(DType dtype);          // "f32", "bf16", "f16"
std::string_view name_of(Attention attention);  // "unfused", "flash"

// One sequence's part of a step.
struct SequenceRows {
  std::int32_t slot = 0;       // which sequence of the KV cache, 0 <= slot < max_batch
  std::int32_t first_row = 0;  // of its new tokens within the step's rows
  std::int32_t rows = 0;       // s_q: new tokens (prompt tokens, or the candidates in decode)
  std::int32_t length = 0;     // L: keys seen by its last row, the new tokens included
};

// One forward pass. Row r of a sequence stands at position length - rows + (r - first_row), and
// sees keys up to itself.
struct StepInput {
  std::span<const std::int32_t> tokens;     // [T] all sequences' new tokens, one after another
  std::span<const SequenceRows> sequences;  // [b]
  std::span<const std::int32_t>
      logit_rows;  // rows whose logits are wanted (prefill: the last of each sequence)
};

struct BackendOptions {
  DType dtype = DType::kF32;
  Attention attention = Attention::kFlash;
  std::int64_t max_batch = 1;   // slots of the KV cache
  std::int64_t max_length = 0;  // keys a slot can hold
  std::int64_t max_rows = 0;    // rows of the largest step
  std::int64_t max_logit_rows = 1;
  std::int64_t layers = 0;  // 0: all
  int threads = 0;          // CPU: 0 = all cores
  bool graphs = true;       // CUDA: decode steps as CUDA graphs
};

// What a backend's kernels do, as scopes and closed forms must know it.
struct BackendTraits {
  bool causal_skip = false;  // attention skips what the mask removes
  double weight_bytes = 4;   // per element, as the kernels read them
  double activation_bytes = 4;
  double kv_bytes = 4;
};

// What a step asks of the loop.
enum class StepWork : std::uint8_t {
  kCompute,  // call the operators: each computes
  kRecord,   // call the operators: they are recorded only, then run()
  kReplay,   // call none: run() repeats a record of an equal step (a CUDA graph)
};

// Operators are called in the order of loop.cpp. Each works on the rows of the last begin(). A
// backend may finish an operator later than its call returns (CUDA streams); logits() and picked()
// wait.
class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual BackendTraits traits() const = 0;

  // Changes the capacities (batch, length, rows, logit rows) of BackendOptions; dtype, layers and
  // the like stay. Empties the KV cache. Throws InputError where there is not memory enough: then
  // only another reserve() may follow.
  virtual void reserve(const BackendOptions& options) = 0;

  virtual StepWork begin(const StepInput& input) = 0;

  virtual void embed() = 0;                    // x[T][h] = embedding[token]
  virtual void attention_norm(int layer) = 0;  // y[T][h] = rmsnorm(x)
  virtual void qkv(int layer) = 0;             // q|k|v[T][(n+2g)*d] = y * Wqkv^T, one product
  virtual void rope(int layer) = 0;            // rotates q and k in place
  virtual void kv_write(
      int layer) = 0;  // appends k and v to the cache [layer][slot][g][position][d]
  virtual void attention(
      int layer) = 0;  // kFlash: a[T][n*d] = softmax(q k^T / sqrt(d), causal) v, one pass
  virtual void qk(int layer) = 0;          // kUnfused: scores[b][n][s_q][L] = q k^T / sqrt(d)
  virtual void softmax(int layer) = 0;     //           scores = softmax(scores, causal)
  virtual void pv(int layer) = 0;          //           a[T][n*d] = scores v
  virtual void o_proj(int layer) = 0;      // y[T][h] = a * Wo^T
  virtual void residual() = 0;             // x += y
  virtual void mlp_norm(int layer) = 0;    // y = rmsnorm(x)
  virtual void gate_up(int layer) = 0;     // g|u[T][2i] = y * Wgu^T, one product
  virtual void activation(int layer) = 0;  // g[T][i] = silu(g) * u
  virtual void down(int layer) = 0;        // y[T][h] = g * Wdown^T
  virtual void final_norm() = 0;           // y[logit rows][h] = rmsnorm(x[logit rows])
  virtual void lm_head() = 0;              // logits[logit rows][V] = y * Wlm^T, always fp32

  virtual void pick() {}  // the largest logit's index of each logit row, where the device can

  // Runs the step that was recorded, now or earlier.
  virtual void run() {}

  // The last step's logits, [logit rows][V], valid until the next begin().
  virtual std::span<const float> logits() = 0;

  // Of each logit row the index of the largest logit, the first of equals: greedy sampling without
  // moving logits. After pick(); valid until the next begin().
  virtual std::span<const std::int32_t> picked() = 0;

  // Fills positions [begin, end) of a slot, in every layer of the KV cache, with Gaussian values of
  // unit scale: what a decode cell of a sweep reads, without paying for a prefill. False where the
  // backend cannot: the loop then runs a prefill.
  virtual bool fill_cache(std::int32_t slot, std::int32_t begin, std::int32_t end) {
    static_cast<void>(slot);
    static_cast<void>(begin);
    static_cast<void>(end);
    return false;
  }
};

// Throws InputError where no backend could run these options on this model: a sentence with the
// numbers.
void check_options(const Config& config, const BackendOptions& options);

// Bytes that a backend of these options allocates: weights, KV cache, activations (and, unfused,
// the scores of the largest step). For "does this cell fit?". Small workspaces (megabytes) are left
// out.
struct MemoryNeed {
  std::uint64_t weights = 0;
  std::uint64_t kv_cache = 0;
  std::uint64_t activations = 0;
  [[nodiscard]] std::uint64_t total() const { return weights + kv_cache + activations; }
};
MemoryNeed memory_need(const Config& config, const BackendOptions& options);

// "llama-7b in bf16 with a KV cache of 1 x 2048 tokens ... needs 14.55 GB of memory (weights ...)":
// how every message about memory begins.
std::string describe_need(const Config& config, const BackendOptions& options,
                          const MemoryNeed& need);

}  // namespace rooftop::inference
