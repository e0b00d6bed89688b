#include "inference/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "inference/cpu/parallel.h"
#include "inference/cpu/storage.h"

namespace rooftop::inference::cpu {
namespace {

// Query rows of a task: enough that preparing a block of keys costs little beside using it, few
// enough for a core's own cache.
constexpr std::int64_t kMaxRows = 192;
constexpr std::int64_t kMinRows = 48;
// Steps of few tokens split long contexts into runs of keys, so that all threads have work. The
// length of a run does not depend on the machine: sums have the same order everywhere.
constexpr std::int64_t kRunKeys = 256;
constexpr std::int64_t kFewTokens = 64;
constexpr std::int64_t kItemsPerThread = 3;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

AttentionStep::AttentionStep(const Kernels& kernels, const AttentionShape& shape,
                             Attention attention, int threads)
    : typed_(kernels.of(shape.dtype)),
      shape_(shape),
      attention_(attention),
      threads_(threads),
      group_(shape.heads / shape.kv_heads),
      scratch_floats_(attention_scratch(std::max(kMaxRows, group_), shape.head_dim)),
      scratch_(static_cast<std::size_t>(scratch_floats_ * threads) * sizeof(float)) {}

std::int64_t AttentionStep::block_positions(std::span<const SequenceRows> sequences) const {
  std::int64_t positions = 1;
  for (std::int64_t rows = kMaxRows; rows >= kMinRows; rows /= 2) {
    positions = std::max<std::int64_t>(1, rows / group_);
    std::int64_t items = 0;
    for (const auto& s : sequences) items += divide_up(s.rows, positions) * shape_.kv_heads;
    if (items >= kItemsPerThread * threads_) break;
  }
  return positions;
}

void AttentionStep::begin(std::span<const SequenceRows> sequences) {
  items_.clear();
  joins_.clear();
  partial_floats_ = 0;
  const std::int64_t positions = block_positions(sequences);
  std::int64_t scores = 0;
  for (const auto& sequence : sequences) {
    add_items(sequence, positions, scores);
    scores += shape_.heads * sequence.rows * sequence.length;
  }
  if (partials_.size() < static_cast<std::size_t>(partial_floats_)) {
    partials_.resize(static_cast<std::size_t>(partial_floats_));
  }
  // Costly ones first, so that no thread begins one while the others run out of work.
  std::stable_sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
    return (a.key_end - a.key_begin) * a.positions > (b.key_end - b.key_begin) * b.positions;
  });
}

void AttentionStep::add_items(const SequenceRows& sequence, std::int64_t positions,
                              std::int64_t scores) {
  const std::int64_t start = sequence.length - sequence.rows;
  for (std::int64_t head = 0; head < shape_.kv_heads; ++head) {
    for (std::int64_t first = 0; first < sequence.rows; first += positions) {
      Item item;
      item.sequence = sequence;
      item.kv_head = head;
      item.first = first;
      item.positions = std::min(positions, sequence.rows - first);
      item.scores = scores;
      item.key_end = sequence.length;  // unfused: the mask is softmax's affair
      if (attention_ == Attention::kFlash) item.key_end = start + first + item.positions;
      const std::int64_t parts = divide_up(item.key_end, kRunKeys);
      if (attention_ == Attention::kUnfused || sequence.rows > kFewTokens || parts == 1) {
        items_.push_back(item);
        continue;
      }
      item.partial = partial_floats_;
      joins_.push_back({item, parts});
      const std::int64_t end = item.key_end;
      for (std::int64_t key = 0; key < end; key += kRunKeys) {
        item.key_begin = key;
        item.key_end = std::min(end, key + kRunKeys);
        item.partial = partial_floats_;
        items_.push_back(item);
        partial_floats_ += item.positions * group_ * (shape_.head_dim + 2);
      }
    }
  }
}

AttentionTask AttentionStep::task(const Item& item, const AttentionOperands& operands, int thread) {
  const std::int64_t d = shape_.head_dim;
  const std::int64_t row = item.sequence.first_row + item.first;
  const std::int64_t head = item.kv_head * group_;
  const std::int64_t cache =
      (item.sequence.slot * shape_.kv_heads + item.kv_head) * shape_.max_length * d;
  AttentionTask t;
  t.q = at(operands.q, row * operands.q_stride + head * d, shape_.dtype);
  t.q_stride = operands.q_stride;
  t.keys = at(operands.keys, cache, shape_.dtype);
  t.values = at(operands.values, cache, shape_.dtype);
  t.group = group_;
  t.positions = item.positions;
  t.head_dim = d;
  t.first_position = item.sequence.length - item.sequence.rows + item.first;
  t.key_begin = item.key_begin;
  t.key_end = item.key_end;
  t.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  t.scratch = reinterpret_cast<float*>(scratch_.data()) + thread * scratch_floats_;
  t.out_stride = shape_.heads * d;
  t.out = at(operands.out, row * t.out_stride + head * d, shape_.dtype);
  if (item.partial >= 0) t.partial = partials_.data() + item.partial;
  t.length = item.sequence.length;
  t.scores_head_stride = item.sequence.rows * t.length;
  if (operands.scores != nullptr) {
    t.scores = at(operands.scores,
                  item.scores + head * t.scores_head_stride + item.first * t.length, shape_.dtype);
  }
  return t;
}

void AttentionStep::run(void (*kernel)(const AttentionTask&), const AttentionOperands& operands) {
  for_items(threads_, std::ssize(items_), [&](std::int64_t i, int thread) {
    kernel(task(items_[static_cast<std::size_t>(i)], operands, thread));
  });
}

void AttentionStep::flash(const AttentionOperands& operands) {
  run(typed_.flash, operands);
  for_items(threads_, std::ssize(joins_), [&](std::int64_t i, int thread) {
    const Join& join = joins_[static_cast<std::size_t>(i)];
    typed_.join(task(join.whole, operands, thread), partials_.data() + join.whole.partial,
                join.parts, join.whole.positions * group_ * (shape_.head_dim + 2));
  });
}

void AttentionStep::qk(const AttentionOperands& operands) { run(typed_.qk, operands); }

void AttentionStep::softmax(const AttentionOperands& operands) {
  for_items(threads_, std::ssize(items_), [&](std::int64_t i, int thread) {
    const AttentionTask t = task(items_[static_cast<std::size_t>(i)], operands, thread);
    for (std::int64_t h = 0; h < t.group; ++h) {
      for (std::int64_t p = 0; p < t.positions; ++p) {
        typed_.softmax(at(t.scores, h * t.scores_head_stride + p * t.length, shape_.dtype),
                       t.first_position + p + 1, t.length);
      }
    }
  });
}

void AttentionStep::pv(const AttentionOperands& operands) { run(typed_.pv, operands); }

}  // namespace rooftop::inference::cpu
