#include "tests/inference/cuda/attention_case.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace rooftop::inference::cuda {
namespace {

constexpr std::int32_t kUnusedPositions = 5;

Stored gaussian(DType dtype, std::mt19937_64& engine, std::size_t count, double spread) {
  std::normal_distribution<double> distribution(0.0, spread);
  Stored stored(count);
  for (auto& x : stored) x = stored_of(dtype, static_cast<float>(distribution(engine)));
  return stored;
}

}  // namespace

double value_of(DType dtype, std::uint16_t stored) {
  if (dtype == DType::kF16) {
    __half_raw raw;
    raw.x = stored;
    return __half2float(__half(raw));
  }
  const std::uint32_t bits = static_cast<std::uint32_t>(stored) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::uint16_t stored_of(DType dtype, float value) {
  if (dtype == DType::kF16) return __half_raw(__float2half_rn(value)).x;
  return __nv_bfloat16_raw(__float2bfloat16_rn(value)).x;
}

std::uint16_t stored_nan(DType dtype) { return dtype == DType::kF16 ? 0x7E00 : 0x7FC0; }

double unit_roundoff(DType dtype) { return dtype == DType::kF16 ? 0x1p-11 : 0x1p-8; }

AttentionCase::AttentionCase(DType dtype, AttentionShape shape,
                             const std::vector<RowsAndKeys>& sequences, std::uint64_t seed,
                             double spread)
    : dtype_(dtype), shape_(shape), spread_(spread), engine_(seed) {
  slots_ = static_cast<std::int32_t>(sequences.size()) + 1;
  std::vector<std::int32_t> slots(static_cast<std::size_t>(slots_));
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(slots.begin(), slots.end(), engine_);
  std::int32_t rows = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const std::int32_t length = sequences[s].rows + sequences[s].before;
    sequences_.push_back({slots[s], rows, sequences[s].rows, length});
    row_sequence_.insert(row_sequence_.end(), static_cast<std::size_t>(sequences[s].rows),
                         static_cast<std::int32_t>(s));
    rows += sequences[s].rows;
  }
  max_length_ = longest() + kUnusedPositions;
  const auto width = static_cast<std::size_t>(heads() * shape_.head_dim);
  q_ = gaussian(dtype_, engine_, static_cast<std::size_t>(rows) * width, spread_);
  output_.resize((static_cast<std::size_t>(rows) + 1) * width);
  fill_cache();
}

void AttentionCase::set_keys_before(const std::vector<std::int32_t>& before) {
  for (std::size_t s = 0; s < before.size(); ++s) {
    sequences_[s].length = sequences_[s].rows + before[s];
    ASSERT_LE(sequences_[s].length, max_length_);
  }
  fill_cache();
}

std::int32_t AttentionCase::longest() const {
  std::int32_t longest = 0;
  for (const auto& sequence : sequences_) longest = std::max(longest, sequence.length);
  return longest;
}

void AttentionCase::fill_cache() {
  const auto d = static_cast<std::size_t>(shape_.head_dim);
  const auto slot_heads = static_cast<std::size_t>(slots_ * shape_.kv_heads);
  const std::size_t head_size = static_cast<std::size_t>(max_length_) * d;
  keys_.assign(slot_heads * head_size, stored_nan(dtype_));
  values_.assign(slot_heads * head_size, stored_nan(dtype_));
  for (const auto& sequence : sequences_) {
    for (std::int32_t head = 0; head < shape_.kv_heads; ++head) {
      const auto from = static_cast<std::ptrdiff_t>(sequence.slot * shape_.kv_heads + head) *
                        static_cast<std::ptrdiff_t>(head_size);
      const std::size_t count = static_cast<std::size_t>(sequence.length) * d;
      std::ranges::copy(gaussian(dtype_, engine_, count, spread_), keys_.begin() + from);
      std::ranges::copy(gaussian(dtype_, engine_, count, 1.0), values_.begin() + from);
    }
  }
}

AttentionCall AttentionCase::call() {
  AttentionCall call;
  call.dtype = dtype_;
  call.step.sequences = sequences_.data();
  call.step.row_sequence = row_sequence_.data();
  call.step.batch = static_cast<std::int32_t>(sequences_.size());
  call.step.rows = static_cast<std::int32_t>(row_sequence_.size());
  for (const auto& sequence : sequences_) {
    call.step.most_rows = std::max(call.step.most_rows, sequence.rows);
  }
  call.heads = heads();
  call.kv_heads = shape_.kv_heads;
  call.head_dim = shape_.head_dim;
  call.max_length = max_length_;
  call.q = q_.data();
  call.keys = keys_.data();
  call.values = values_.data();
  call.a = output_.data();
  return call;
}

void AttentionCase::check(std::int32_t splits, std::int32_t split_keys, LaunchFunction launch) {
  std::ranges::fill(output_, stored_nan(dtype_));
  AttentionCall of_step = call();
  of_step.splits = splits;
  of_step.split_keys = split_keys;
  if (splits > 1) {
    ASSERT_GE(splits * split_keys, longest());
    const auto count = static_cast<std::size_t>(of_step.step.rows * of_step.heads * splits);
    partial_.assign(count * static_cast<std::size_t>(shape_.head_dim),
                    std::numeric_limits<float>::quiet_NaN());
    partial_log_sum_.assign(count, std::numeric_limits<float>::quiet_NaN());
    of_step.partial = partial_.data();
    of_step.partial_log_sum = partial_log_sum_.data();
  }
  launch(of_step, nullptr);
  if (splits > 1) launch_attention_combine(of_step, nullptr);
  expect_output();
}

std::vector<AttentionCase::Expected> AttentionCase::expected_row(const SequenceRows& sequence,
                                                                 std::int32_t row,
                                                                 std::int32_t head) const {
  const auto d = static_cast<std::size_t>(shape_.head_dim);
  const std::size_t q = (static_cast<std::size_t>(sequence.first_row + row) * heads() + head) * d;
  const std::size_t cache =
      static_cast<std::size_t>(sequence.slot * shape_.kv_heads + head / shape_.group) *
      max_length_ * d;
  const auto keys = static_cast<std::size_t>(sequence.length - sequence.rows + row + 1);
  std::vector<double> weights(keys);
  for (std::size_t key = 0; key < keys; ++key) {
    double score = 0;
    for (std::size_t i = 0; i < d; ++i) {
      score += value_of(dtype_, q_[q + i]) * value_of(dtype_, keys_[cache + key * d + i]);
    }
    weights[key] = score / std::sqrt(static_cast<double>(d));
  }
  const double largest = *std::ranges::max_element(weights);
  double sum = 0;
  for (auto& weight : weights) sum += weight = std::exp(weight - largest);
  std::vector<Expected> expected(d);
  for (std::size_t i = 0; i < d; ++i) {
    double magnitude = 0;
    for (std::size_t key = 0; key < keys; ++key) {
      const double term = weights[key] / sum * value_of(dtype_, values_[cache + key * d + i]);
      expected[i].value += term;
      magnitude += std::abs(term);
    }
    // A probability and the result are rounded; scores are fp32 sums.
    expected[i].tolerance =
        unit_roundoff(dtype_) * (magnitude + std::abs(expected[i].value)) + 1e-5 * magnitude + 1e-6;
  }
  return expected;
}

void AttentionCase::expect_output() const {
  const auto d = static_cast<std::size_t>(shape_.head_dim);
  std::size_t at = 0;
  for (const auto& sequence : sequences_) {
    for (std::int32_t row = 0; row < sequence.rows; ++row) {
      for (std::int32_t head = 0; head < heads(); ++head, at += d) {
        const auto expected = expected_row(sequence, row, head);
        for (std::size_t i = 0; i < d; ++i) {
          const double difference = std::abs(value_of(dtype_, output_[at + i]) - expected[i].value);
          ASSERT_TRUE(difference <= expected[i].tolerance)
              << "row " << row << " of " << sequence.rows << ", length " << sequence.length
              << ", head " << head << ", dimension " << i << ": "
              << value_of(dtype_, output_[at + i]) << " instead of " << expected[i].value << " +- "
              << expected[i].tolerance;
        }
      }
    }
  }
  for (; at < output_.size(); ++at) {
    ASSERT_EQ(output_[at], stored_nan(dtype_)) << "written beyond the rows";
  }
}

}  // namespace rooftop::inference::cuda
