// What the attention kernels share: which rows and keys a block works on, and where results go.
//
// The rows of a sequence and the heads that share a KV head are packed into one index,
// packed = row * group + head of the group: all of them read the same keys and values.
#pragma once

#include "inference/cuda/kernels.h"
#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::inference::cuda {

// 2^x. The device's instruction by name: exp2f adds the handling of subnormal results, which are
// nothing beside a softmax's largest term of 1.
__device__ inline float fast_exp2(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

// Before the first key a maximum is -inf; exponents are taken relative to this instead, so that no
// difference of infinities turns up.
__device__ inline float finite_base(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

// The packed rows of one sequence on one KV head.
struct PackedRows {
  std::int32_t group;     // query heads of the KV head
  std::uint32_t inverse;  // of the group, for row(): floor(2^31 / group) + 1
  std::int32_t kv_head;
  std::int32_t first_row;       // of the sequence, within the step
  std::int32_t count;           // packed rows of the sequence
  std::int32_t first_position;  // of the sequence's first row

  // packed / group by a multiplication: exact, as packed * group < 2^31 (check_attention).
  __device__ std::int32_t row(std::int32_t packed) const {
    return static_cast<std::int32_t>(static_cast<std::uint64_t>(packed) * inverse >> 31);
  }
  __device__ std::int32_t position(std::int32_t packed) const {
    return first_position + row(packed);
  }
  // Index of a packed row's head in [T][n].
  __device__ std::int64_t row_head(const AttentionCall& call, std::int32_t packed) const {
    const std::int32_t r = row(packed);
    return static_cast<std::int64_t>(first_row + r) * call.heads + kv_head * group + packed -
           r * group;
  }
};

__device__ inline PackedRows packed_rows(const AttentionCall& call, const SequenceRows& sequence,
                                         std::int32_t kv_head) {
  const std::int32_t group = call.heads / call.kv_heads;
  return {group,
          (std::uint32_t{1} << 31) / static_cast<std::uint32_t>(group) + 1,
          kv_head,
          sequence.first_row,
          sequence.rows * group,
          sequence.length - sequence.rows};
}

struct KeyRange {
  std::int32_t begin;
  std::int32_t end;
};

// Keys of one split of a sequence of `length` keys; empty where begin >= end.
__device__ inline KeyRange keys_of_split(const AttentionCall& call, std::int32_t split,
                                         std::int32_t length) {
  if (call.splits == 1) return {0, length};
  const std::int64_t begin = static_cast<std::int64_t>(split) * call.split_keys;
  if (begin >= length) return {0, 0};
  const std::int64_t end = begin + call.split_keys;
  return {static_cast<std::int32_t>(begin), end < length ? static_cast<std::int32_t>(end) : length};
}

// Where the keys (and the values) of one KV head of a slot begin: [max_length][d] from there on.
__device__ inline std::int64_t cache_offset(const AttentionCall& call, std::int32_t slot,
                                            std::int32_t kv_head) {
  const std::int64_t head = static_cast<std::int64_t>(slot) * call.kv_heads + kv_head;
  return head * call.max_length * call.head_dim;
}

// Index of a split's result of a row and head in [T][n][splits].
__device__ inline std::int64_t partial_index(const AttentionCall& call, std::int64_t row_head,
                                             std::int32_t split) {
  return row_head * call.splits + split;
}

// Says that a split has no keys for `rows` packed rows from `first` on. Every thread of the block
// calls.
__device__ inline void write_no_keys(const AttentionCall& call, const PackedRows& packed,
                                     std::int32_t first, std::int32_t rows, std::int32_t split) {
  if (call.splits == 1) return;
  for (auto i = static_cast<std::int32_t>(threadIdx.x); i < rows;
       i += static_cast<std::int32_t>(blockDim.x)) {
    call.partial_log_sum[partial_index(call, packed.row_head(call, first + i), split)] = -INFINITY;
  }
}

}  // namespace rooftop::inference::cuda
