// Closed-form cost of every operator of a Llama step: the FLOPs that its shapes need, and the
// compulsory memory traffic, each tensor moved once. Formulas with their derivation:
// docs/cost-model.md. Letters below:
//   h hidden, n query heads, g KV heads, d head size, i FFN width, V vocabulary (ModelShape);
//   T rows of the linear layers, K keys, P query-key pairs, R rows of the head (StepShape).
//
// Model FLOPs count one multiply-add as two. What counts, by operator:
//   products (projections, MLP, attention, head): multiply-adds only, 2 a MAC. A fused kernel's
//     elementwise tail (softmax in flash attention, SwiGLU in gate_up_act) is left out, so that
//     fused and separate kernels of the same product have equal FLOPs, as the published tables do.
//   elementwise: one per arithmetic operation that the definition needs per element, with exp and
//     comparison as one: norm 4 (square, add, scale, weight), rope 3 (two multiplications and an
//     addition per output), softmax 5 (max, subtract, exp, sum, divide), activation 5 (SiLU:
//     negate, exp, add, divide; times up), residual 1, sampling 1 (compare). embed and kv_write
//     move data: 0.
//   Left out as small and implementation-defined: token ids, rotary tables, row statistics.
#pragma once

#include <cstdint>
#include <optional>

#include "profiler/core/meta.h"
#include "profiler/core/operator.h"
#include "profiler/core/records.h"

namespace rooftop {

// What one step does, as sums over its sequences, so that ragged batches are exact. Counts are
// doubles: exact up to 2^53, and a hostile file cannot make them wrap around.
struct StepShape {
  double batch = 0;               // b, sequences
  double total_query_tokens = 0;  // T = sum of s_q
  double total_keys = 0;          // K = sum of L
  double attention_pairs = 0;     // sum of s_q * L
  double causal_pairs = 0;        // sum of s_q * L - s_q * (s_q - 1) / 2
  double logit_rows = 0;          // R
};

// A step whose sequences are all alike. logit_rows 0: one a sequence. Needs query_tokens <= length.
StepShape uniform_step(std::uint32_t batch, std::uint32_t query_tokens, std::uint32_t length,
                       std::uint32_t logit_rows = 0);

// The shape of a recorded step; sums that an engine left at 0 follow from batch, query tokens and
// length.
StepShape step_shape(const ScopeRecord& step);

// Elements moved, by the kind of tensor: each kind has an element size of its own.
struct Elements {
  double weights = 0;
  double activations = 0;
  double kv = 0;
};

struct OperatorCost {
  double flops = 0;
  Elements read;
  Elements written;
};

// Bytes per element. 0 where unknown.
struct ElementBytes {
  double weight = 0;
  double activation = 0;
  double kv = 0;
};
ElementBytes element_bytes(const Meta& meta);

struct Traffic {
  double read_bytes = 0;
  double written_bytes = 0;
  [[nodiscard]] double total() const { return read_bytes + written_bytes; }
};

// The cost of one launch of `op`. None where there is no closed form (comm, memcpy, other,
// unclassified, and up_gate_down, which is a row of a report and not a launch) or where a dimension
// that it needs is unknown (0).
// `layer`: negative for the norm behind the last layer, which only works on the rows of the head.
// `causal_skip`: attention neither computes nor stores pairs that the causal mask removes.
std::optional<OperatorCost> operator_cost(Operator op, std::int32_t layer, const ModelShape& model,
                                          const StepShape& step, bool causal_skip);

// None where an element size that is needed is unknown.
std::optional<Traffic> traffic(const OperatorCost& cost, const ElementBytes& bytes);

}  // namespace rooftop
