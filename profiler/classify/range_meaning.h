// What a range says that someone else opened: a PyTorch operator, a module's frame, an annotation
// of an engine, an NVTX range.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "profiler/classify/kernel_rules.h"
#include "profiler/core/operator.h"

namespace rooftop {

struct RangeMeaning {
  // What may run within; kAnyOperator where the name says nothing.
  OperatorSet operators = kAnyOperator;
  std::int32_t layer = -1;
  bool product = false;  // launches one matrix product: its shapes are those of the range
  bool attention = false;
  // A step: what its annotation says of it, as far as it does.
  bool step = false;
  bool iteration = false;  // of the profiler's schedule: perhaps several forward passes
  // Work that no inference step does: the backward pass, an optimiser.
  bool training = false;
  Phase phase = Phase::kUnknown;
  std::uint32_t context_requests = 0;
  std::uint32_t context_tokens = 0;
  std::uint32_t generation_requests = 0;
  std::uint32_t generation_tokens = 0;
};

RangeMeaning meaning_of_range(std::string_view name);

// "[16,559,1024]bf16[1024,1024]": the shapes of the tensors that an operator was called with.
struct TensorShape {
  std::vector<double> dims;
  std::string_view type;  // of `args`; empty where none was recorded

  [[nodiscard]] std::size_t rank() const { return dims.size(); }
  // The product of all extents but the last.
  [[nodiscard]] double rows() const;
};
std::vector<TensorShape> parse_shapes(std::string_view args);

// y[rows][out] = x[rows][in] * W: what an operator of that name and shapes computes.
struct ProductShape {
  double rows = 0;
  double in = 0;
  double out = 0;
  double batch = 1;
};
std::optional<ProductShape> product_shape(std::string_view name,
                                          const std::vector<TensorShape>& args);

// Attention over b sequences of s query rows and L keys each.
struct AttentionCall {
  double batch = 0;
  double query_rows = 0;
  double keys = 0;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double total_rows = 0;  // of all sequences; alone known where they differ
};
std::optional<AttentionCall> attention_call(std::string_view name,
                                            const std::vector<TensorShape>& args);

}  // namespace rooftop
