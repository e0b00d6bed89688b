// Attention of a whole step: cuts (sequence, KV head, block of tokens, run of keys) into tasks and
// spreads them over threads. Every KV head is read once for the query heads that share it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "inference/cpu/kernels.h"
#include "inference/cpu/memory.h"

namespace rooftop::inference::cpu {

struct AttentionShape {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_length = 0;  // keys of a slot
  DType dtype = DType::kF32;
};

// One layer's operands.
struct AttentionOperands {
  const void* q = nullptr;  // [T] rows, q_stride elements apart: heads * d values each
  std::int64_t q_stride = 0;
  const void* keys = nullptr;  // [slot][kv head][position][d]
  const void* values = nullptr;
  void* scores = nullptr;  // unfused: per sequence [head][token][length], one after another
  void* out = nullptr;     // [T][heads * d]
};

class AttentionStep {
 public:
  AttentionStep(const Kernels& kernels, const AttentionShape& shape, Attention attention,
                int threads);

  void begin(std::span<const SequenceRows> sequences);

  void flash(const AttentionOperands& operands);
  void qk(const AttentionOperands& operands);
  void softmax(const AttentionOperands& operands);
  void pv(const AttentionOperands& operands);

 private:
  // A run of keys for a block of tokens of one sequence and KV head.
  struct Item {
    SequenceRows sequence;
    std::int64_t kv_head = 0;
    std::int64_t first = 0;      // token within the sequence's new ones
    std::int64_t positions = 0;  // tokens
    std::int64_t key_begin = 0;
    std::int64_t key_end = 0;
    std::int64_t scores = 0;    // unfused: elements before the sequence's scores
    std::int64_t partial = -1;  // flash over several runs: floats before this run's partial result
  };
  // A block of tokens whose keys were split into several runs.
  struct Join {
    Item whole;
    std::int64_t parts = 0;
  };

  void add_items(const SequenceRows& sequence, std::int64_t positions, std::int64_t scores);
  [[nodiscard]] std::int64_t block_positions(std::span<const SequenceRows> sequences) const;
  [[nodiscard]] AttentionTask task(const Item& item, const AttentionOperands& operands, int thread);
  void run(void (*kernel)(const AttentionTask&), const AttentionOperands& operands);

  const TypedKernels& typed_;
  AttentionShape shape_;
  Attention attention_;
  int threads_;
  std::int64_t group_;
  std::int64_t scratch_floats_;  // per thread
  Buffer scratch_;
  std::vector<Item> items_;
  std::vector<Join> joins_;
  std::int64_t partial_floats_ = 0;
  std::vector<float> partials_;
};

}  // namespace rooftop::inference::cpu
