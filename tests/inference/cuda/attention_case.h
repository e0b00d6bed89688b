// A step of ragged sequences for the attention kernels, and what it must give: computed in double
// precision, straight from the definition, of the values as they are stored.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "inference/cuda/kernels.h"

namespace rooftop::inference::cuda {

// Values as a kernel stores them: 16 bits each.
using Stored = std::vector<std::uint16_t>;
double value_of(DType dtype, std::uint16_t stored);
std::uint16_t stored_of(DType dtype, float value);
std::uint16_t stored_nan(DType dtype);
double unit_roundoff(DType dtype);

struct AttentionShape {
  std::int32_t group = 1;
  std::int32_t kv_heads = 2;
  std::int32_t head_dim = 64;
};

// Rows of a sequence, keys in front of them.
struct RowsAndKeys {
  std::int32_t rows = 1;
  std::int32_t before = 0;
};

class AttentionCase {
 public:
  // Slots are given in a random order, and there are more slots than sequences. `spread`: standard
  // deviation of queries and keys. Whatever is not a key or value of this step is NaN.
  AttentionCase(DType dtype, AttentionShape shape, const std::vector<RowsAndKeys>& sequences,
                std::uint64_t seed, double spread = 1.5);

  // Other lengths for the same rows, in the same memory, as when a graph is replayed.
  void set_keys_before(const std::vector<std::int32_t>& before);

  // Runs the tiled kernel, or the decode kernel; more than one split is joined. Fails the test
  // where a result is not within rounding of the definition, or something else was written.
  void check_tiled(std::int32_t splits = 1, std::int32_t split_keys = 0) {
    check(splits, split_keys, launch_attention_tiled);
  }
  void check_decode(std::int32_t splits = 1, std::int32_t split_keys = 0) {
    check(splits, split_keys, launch_attention_decode);
  }

  [[nodiscard]] std::int32_t longest() const;
  [[nodiscard]] const Stored& output() const { return output_; }

 private:
  struct Expected {
    double value = 0;
    double tolerance = 0;
  };
  using LaunchFunction = void (*)(const AttentionCall&, cudaStream_t);

  void check(std::int32_t splits, std::int32_t split_keys, LaunchFunction launch);
  void expect_output() const;
  void fill_cache();
  [[nodiscard]] AttentionCall call();
  [[nodiscard]] std::int32_t heads() const { return shape_.group * shape_.kv_heads; }
  [[nodiscard]] std::vector<Expected> expected_row(const SequenceRows& sequence, std::int32_t row,
                                                   std::int32_t head) const;

  DType dtype_;
  AttentionShape shape_;
  double spread_;
  std::mt19937_64 engine_;
  std::vector<SequenceRows> sequences_;
  std::vector<std::int32_t> row_sequence_;
  std::int32_t slots_ = 0;
  std::int32_t max_length_ = 0;
  Stored q_;
  Stored keys_;
  Stored values_;
  Stored output_;  // one row more than there is
  std::vector<float> partial_;
  std::vector<float> partial_log_sum_;
};

}  // namespace rooftop::inference::cuda
