// What one thread computes: a table of kernels for each instruction set, chosen at run time. The
// parallel loops and all memory management lie outside (matmul.cpp, attention.cpp,
// cpu_backend.cpp). Pointers to storage of the compute type are void*: float, BF16 or F16, as the
// table's entry says.
#pragma once

#include <cstdint>
#include <string_view>

#include "inference/backend.h"

namespace rooftop::inference::cpu {

inline constexpr int kGemvRows = 8;            // most activation rows of one gemv call
inline constexpr std::int64_t kKeyBlock = 64;  // keys that attention takes at a time

// One block of query rows against a run of keys: `positions` successive tokens of one sequence
// times the `group` query heads that share a KV head. Row m = (token m / group, head m % group).
struct AttentionTask {
  const void* q = nullptr;       // the first token's first head of the group, head after head
  std::int64_t q_stride = 0;     // elements from token to token
  const void* keys = nullptr;    // [position][d] of this slot and KV head
  const void* values = nullptr;  // likewise
  std::int64_t group = 1;
  std::int64_t positions = 1;
  std::int64_t head_dim = 0;
  std::int64_t first_position = 0;  // the first token sees keys 0 .. first_position
  std::int64_t key_begin = 0;       // keys to go through: [key_begin, key_end)
  std::int64_t key_end = 0;
  float scale = 1;           // 1 / sqrt(d)
  float* scratch = nullptr;  // attention_scratch() floats, 64-byte aligned

  void* out = nullptr;  // attention's result, laid out as q with a stride of its own
  std::int64_t out_stride = 0;
  float* partial = nullptr;  // flash: where set, [rows][d + 2] partial results instead of `out`:
                             // largest raw score, sum of exponentials, unnormalised output
  void* scores = nullptr;    // unfused: [head][token][length], at the first head and token
  std::int64_t scores_head_stride = 0;  // elements from head to head; a token's row is length long
  std::int64_t length = 0;
};

// Floats of scratch that a task of so many rows (positions * group) needs.
std::int64_t attention_scratch(std::int64_t rows, std::int64_t head_dim);

struct TypedKernels {
  // y[r][i] = sum over j of w[i][j] * x[r][j], i < n, r < rows <= kGemvRows; weights are contiguous
  // [n][k]. Sums are fp32, in an order that depends on k alone. `y` is fp32 where `wide`, else of
  // the compute type.
  void (*gemv)(const void* w, std::int64_t n, std::int64_t k, const void* x, std::int64_t x_stride,
               int rows, void* y, std::int64_t y_stride, bool wide);

  // y = weight * cast(x / sqrt(mean(x^2) + eps)), over h values: Hugging Face's order of rounding.
  void (*rms_norm)(const void* x, const void* weight, void* y, std::int64_t h, float eps);
  // One head in place, half-split: (a, b) of index i and i + d/2 become (a c - b s, b c + a s).
  void (*rope)(void* x, const float* cosine, const float* sine, std::int64_t d);
  void (*swiglu)(void* gate, const void* up, std::int64_t n);  // gate = silu(gate) * up
  void (*add)(void* x, const void* y, std::int64_t n);         // x += y
  void (*widen)(const void* x, float* y, std::int64_t n);      // to fp32
  void (*narrow)(const float* x, void* y, std::int64_t n);     // from fp32, to nearest even

  void (*flash)(const AttentionTask& task);  // online softmax; sees only what the mask leaves
  // Joins the partial results [part][rows][d + 2] of flash and writes task.out; parts lie
  // `part_stride` floats apart.
  void (*join)(const AttentionTask& task, const float* parts, std::int64_t part_count,
               std::int64_t part_stride);
  void (*qk)(const AttentionTask& task);  // scores of every key, masked or not
  // In place over one row of scores: visible keys get their share, the others 0.
  void (*softmax)(void* row, std::int64_t visible, std::int64_t length);
  void (*pv)(const AttentionTask& task);
};

struct Kernels {
  std::string_view name;  // "avx512_bf16"
  bool native_bf16;       // products of bf16 pairs in one instruction
  TypedKernels typed[3];  // by DType
  [[nodiscard]] const TypedKernels& of(DType dtype) const { return typed[static_cast<int>(dtype)]; }
};

enum class Isa : std::uint8_t { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

// The best that this machine and its operating system allow.
Isa best_isa();
// Throws InputError where the machine lacks the instruction set.
const Kernels& kernels_for(Isa isa);

// One per instruction set; null where this build has none (another architecture).
const Kernels* portable_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_bf16_kernels();

}  // namespace rooftop::inference::cpu
