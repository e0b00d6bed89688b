#include "inference/cuda/unfused_plan.h"

#include <cstddef>

namespace rooftop::inference::cuda {
namespace {

// Sequences of one row each and equal length, in consecutive slots and rows: their products are
// evenly spaced over the whole batch.
bool evenly_spaced(std::span<const SequenceRows> sequences) {
  const SequenceRows& first = sequences.front();
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const auto offset = static_cast<std::int32_t>(i);
    const SequenceRows& s = sequences[i];
    if (s.rows != 1 || s.length != first.length || s.slot != first.slot + offset ||
        s.first_row != first.first_row + offset) {
      return false;
    }
  }
  return true;
}

class Planner {
 public:
  explicit Planner(const HeadShape& shape)
      : shape_(shape), group_(shape.heads / shape.kv_heads), width_(shape.heads * shape.head_dim) {}

  // One row a sequence: the query heads of a KV head lie side by side, as rows of one product.
  [[nodiscard]] HeadProducts single_rows(const SequenceRows& first, std::int64_t sequences,
                                         std::int64_t scores) const {
    HeadProducts p = common(first, scores);
    p.rows = group_;
    p.batch = sequences * shape_.kv_heads;
    p.q_row_stride = shape_.head_dim;
    p.score_stride = group_ * p.keys;
    return p;
  }

  // Query head `member` of every KV head's group, for a sequence of several rows.
  [[nodiscard]] HeadProducts several_rows(const SequenceRows& s, std::int64_t member,
                                          std::int64_t scores) const {
    HeadProducts p = common(s, scores + member * s.rows * s.length);
    p.rows = s.rows;
    p.batch = shape_.kv_heads;
    p.q_offset += member * shape_.head_dim;
    p.q_row_stride = width_;
    p.score_stride = group_ * s.rows * p.keys;
    return p;
  }

  [[nodiscard]] std::int64_t group() const { return group_; }

 private:
  [[nodiscard]] HeadProducts common(const SequenceRows& s, std::int64_t scores) const {
    HeadProducts p;
    p.keys = s.length;
    p.q_offset = s.first_row * width_;
    p.q_stride = group_ * shape_.head_dim;
    p.cache_stride = shape_.max_length * shape_.head_dim;
    p.cache_offset = s.slot * shape_.kv_heads * p.cache_stride;
    p.score_offset = scores;
    return p;
  }

  HeadShape shape_;
  std::int64_t group_;
  std::int64_t width_;
};

}  // namespace

UnfusedPlan plan_unfused(std::span<const SequenceRows> sequences, const HeadShape& shape) {
  UnfusedPlan plan;
  if (sequences.empty()) return plan;
  for (const SequenceRows& s : sequences) {
    plan.score_offset.push_back(plan.score_elements);
    plan.score_elements += shape.heads * s.rows * s.length;
  }
  const Planner planner(shape);
  if (evenly_spaced(sequences)) {
    plan.products = {planner.single_rows(sequences.front(), std::ssize(sequences), 0)};
    return plan;
  }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    if (s.rows == 1) {
      plan.products.push_back(planner.single_rows(s, 1, plan.score_offset[i]));
      continue;
    }
    for (std::int64_t member = 0; member < planner.group(); ++member) {
      plan.products.push_back(planner.several_rows(s, member, plan.score_offset[i]));
    }
  }
  return plan;
}

}  // namespace rooftop::inference::cuda
