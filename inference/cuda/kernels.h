// Launches of our own CUDA kernels, as host code sees them. All pointers are device memory unless
// said otherwise; T is the compute type (bf16 or f16), sums are fp32; launches are asynchronous on
// `stream` and throw cuda::CudaError where they cannot start.
//
// A captured graph is replayed with other tokens, positions and lengths: kernels read those from
// device memory (`sequences`, `row_sequence`, `tokens`), never from arguments. Grids depend on the
// step's shape alone: batch, rows of each sequence, splits.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "inference/backend.h"
#include "inference/cuda/kernel_limits.h"

namespace rooftop::inference::cuda {

// The rows of a step. `sequences` and `row_sequence` are read on the device.
struct StepRows {
  const SequenceRows* sequences = nullptr;     // [b]
  const std::int32_t* row_sequence = nullptr;  // [T] which of the sequences a row belongs to
  std::int32_t batch = 0;                      // b
  std::int32_t rows = 0;                       // T
  std::int32_t most_rows = 0;                  // of one sequence: max s_q
};

// --- vector-matrix products (gemv.cu) ---

enum class Epilogue : std::uint8_t {
  kStore,     // y[rows][n] = x W^T, in T
  kAdd,       // y[rows][n] += x W^T, in T: the residual stream
  kSwiGlu,    // W is [2n][k], gate rows then up rows: y[rows][n] = silu(x Wg^T) * (x Wu^T), in T
  kStoreF32,  // y[rows][n] = x W^T, in fp32: logits
};

struct Gemv {
  DType dtype = DType::kBF16;
  std::int32_t rows = 1;              // 1 .. kMostGemvRows
  std::int32_t n = 0;                 // outputs of a row
  std::int32_t k = 0;                 // inputs of a row: a multiple of 8
  const void* x = nullptr;            // [rows][k], rows 16-byte aligned
  const void* norm_weight = nullptr;  // [k]: x is RMS-normalised and scaled by this first; or null
  float norm_eps = 0;
  const void* w = nullptr;  // [n][k] ([2n][k] for kSwiGlu), 16-byte aligned
  Epilogue epilogue = Epilogue::kStore;
  void* y = nullptr;  // must not overlap x
};
void launch_gemv(const Gemv& call, std::int32_t multiprocessors, cudaStream_t stream);

// --- rows of activations (rows.cu) ---

// x[T][h] = table[token][h]
void launch_embed(DType dtype, const void* table, const std::int32_t* tokens, std::int32_t rows,
                  std::int32_t hidden, void* x, cudaStream_t stream);

// y[i][h] = rmsnorm(x[row_index[i]][h]) * weight; row_index null: row i itself. y may be x only
// where row_index is null.
void launch_rms_norm(DType dtype, const void* x, const void* weight, float eps,
                     const std::int32_t* row_index, std::int32_t rows, std::int32_t hidden, void* y,
                     cudaStream_t stream);

// g[T][i] = silu(gate) * up from gate_up[T][2i]: gate first. g must not overlap gate_up.
void launch_swiglu(DType dtype, const void* gate_up, std::int32_t rows, std::int32_t ffn, void* g,
                   cudaStream_t stream);

// Position p of row r of a sequence is length - rows + (r - first_row). Rotates q and k
// (half-split, pairs i and i + d/2, by angles[p][i] = (cos, sin)), writes q to q[T][n*d], and
// appends k and v to one layer's cache, [slot][g][max_length][d]. qkv is [T][(n+2g)d].
struct RopeKv {
  DType dtype = DType::kBF16;
  StepRows step;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;  // even
  std::int32_t max_length = 0;
  const void* qkv = nullptr;
  const float2* angles = nullptr;  // [max_length][d/2]
  void* q = nullptr;
  void* keys = nullptr;
  void* values = nullptr;
};
void launch_rope_kv(const RopeKv& call, cudaStream_t stream);

// The index of the largest logit of each row, the first of equals; -1 where a logit is not finite.
void launch_argmax(const float* logits, std::int32_t rows, std::int32_t vocab, std::int32_t* out,
                   cudaStream_t stream);

// Standard Gaussian noise into positions [begin, end) of one slot of one layer's keys or values
// ([g][max_length][d]): what a sweep's decode cell reads without a prefill. The same for equal
// seeds.
void launch_noise(DType dtype, void* slot_cache, std::int32_t kv_heads, std::int32_t max_length,
                  std::int32_t head_dim, std::int32_t begin, std::int32_t end, std::uint64_t seed,
                  cudaStream_t stream);

// --- attention (attention_decode.cu, attention_tiled.cu, softmax.cu) ---

struct AttentionCall {
  DType dtype = DType::kBF16;
  StepRows step;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t max_length = 0;
  const void* q = nullptr;       // [T][n*d], rotated
  const void* keys = nullptr;    // one layer's cache, [slot][g][max_length][d]
  const void* values = nullptr;  // likewise
  void* a = nullptr;             // [T][n*d]: softmax(q k^T / sqrt(d), causal) v
  // Keys are shared out over `splits` blocks: split s of a sequence takes keys
  // [s * split_keys, min(L, (s + 1) * split_keys)). splits * split_keys >= the longest L that the
  // graph may be replayed with. One split writes `a` itself; several write partial results, which
  // launch_attention_combine joins.
  std::int32_t splits = 1;
  std::int32_t split_keys = 0;       // a multiple of 64 where splits > 1
  float* partial = nullptr;          // [T][n][splits][d]: each split's own softmax(..) v
  float* partial_log_sum = nullptr;  // [T][n][splits]: log2 of its sum of exp; -inf: no keys
};

// Few query rows per KV head (rows of a sequence x n/g up to kMostDecodeRows): bound by reading
// keys and values once, CUDA cores.
void launch_attention_decode(const AttentionCall& call, cudaStream_t stream);

// Any number of rows: tiles of 16, 64 or 128 rows of (row, head of the group) over 64-key tiles,
// tensor cores (mma.sync), tiles above the causal diagonal skipped. Head sizes: multiples of 8 up
// to 256.
void launch_attention_tiled(const AttentionCall& call, cudaStream_t stream);

// a = the splits' results, weighted by their sums.
void launch_attention_combine(const AttentionCall& call, cudaStream_t stream);

// Unfused attention: scores in T, in place. Sequence s's block of scores is [n][s_q][L], starting
// at element score_offset[s]; row r of a sequence keeps keys up to its own position, the others
// become 0. Scores are already scaled by 1/sqrt(d).
void launch_softmax(DType dtype, const StepRows& step, std::int32_t heads,
                    const std::int64_t* score_offset, void* scores, cudaStream_t stream);

}  // namespace rooftop::inference::cuda
