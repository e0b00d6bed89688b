// Flash and unfused attention of every instruction set, type, head size and group size, against
// double precision: ragged batches, prefill on a filled cache, candidate rows, split contexts.
#include "inference/cpu/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/inference/cpu/reference.h"

namespace rooftop::inference::cpu {
namespace {

struct Shape {
  std::int64_t group;
  std::int64_t head_dim;
};

// A step of ragged sequences with a random cache.
struct Case {
  AttentionShape shape;
  std::vector<SequenceRows> sequences;
  Stored qkv;  // [T][(n + 2g) d], as the backend keeps it
  Stored keys;
  Stored values;
  std::int64_t rows = 0;
  std::int64_t score_count = 0;

  [[nodiscard]] std::int64_t stride() const {
    return (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
  }
};

Case make_case(DType dtype, Shape s, std::vector<SequenceRows> sequences, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  AttentionShape shape{2 * s.group, 2, s.head_dim, 0, dtype};
  std::int64_t slots = 0;
  std::int64_t rows = 0;
  std::int64_t scores = 0;
  for (auto& sequence : sequences) {
    sequence.first_row = static_cast<std::int32_t>(rows);
    rows += sequence.rows;
    slots = std::max<std::int64_t>(slots, sequence.slot + 1);
    shape.max_length = std::max<std::int64_t>(shape.max_length, sequence.length + 5);
    scores += shape.heads * sequence.rows * sequence.length;
  }
  const auto cache = static_cast<std::size_t>(slots * 2 * shape.max_length * s.head_dim);
  const auto width = static_cast<std::size_t>((shape.heads + 4) * s.head_dim);
  return {shape,
          std::move(sequences),
          Stored(dtype, gaussian(engine, static_cast<std::size_t>(rows) * width, 1.5)),
          Stored(dtype, gaussian(engine, cache, 1.5)),
          Stored(dtype, gaussian(engine, cache)),
          rows,
          scores};
}

std::vector<double> expected_output(const Case& c) {
  const auto d = static_cast<std::size_t>(c.shape.head_dim);
  std::vector<double> out;
  for (const auto& s : c.sequences) {
    for (std::int32_t r = 0; r < s.rows; ++r) {
      for (std::int64_t head = 0; head < c.shape.heads; ++head) {
        const std::int64_t kv = head / (c.shape.heads / c.shape.kv_heads);
        const auto from = static_cast<std::size_t>((s.slot * c.shape.kv_heads + kv) *
                                                   c.shape.max_length * c.shape.head_dim);
        const std::size_t seen = static_cast<std::size_t>(s.length - s.rows + r + 1) * d;
        const auto q = static_cast<std::size_t>((s.first_row + r) * c.stride()) +
                       static_cast<std::size_t>(head) * d;
        const auto row = naive_attention(std::span(c.qkv.values).subspan(q, d),
                                         std::span(c.keys.values).subspan(from, seen),
                                         std::span(c.values.values).subspan(from, seen));
        out.insert(out.end(), row.begin(), row.end());
      }
    }
  }
  return out;
}

std::vector<double> run(const Case& c, Isa isa, Attention attention, int threads) {
  AttentionStep step(kernels_for(isa), c.shape, attention, threads);
  Stored out(c.shape.dtype, static_cast<std::size_t>(c.rows * c.shape.heads * c.shape.head_dim));
  Stored scores(c.shape.dtype, static_cast<std::size_t>(c.score_count));
  const AttentionOperands operands{c.qkv.data(),    c.stride(),    c.keys.data(),
                                   c.values.data(), scores.data(), out.data()};
  step.begin(c.sequences);
  if (attention == Attention::kFlash) {
    step.flash(operands);
  } else {
    step.qk(operands);
    step.softmax(operands);
    step.pv(operands);
  }
  return out.read();
}

double worst(const std::vector<double>& got, const std::vector<double>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - expected[i]);
    if (!(error <= most)) most = error;  // a NaN is the worst
  }
  return most;
}

// Outputs are averages of values of unit scale; in 16-bit types the probabilities are rounded, too,
// and unfused the scores.
double tolerance(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 1e-5;
    case DType::kBF16:
      return 6e-2;
    case DType::kF16:
      return 8e-3;
  }
  return 0;
}

// slot, first_row (filled in), rows, length
const std::vector<SequenceRows> kRagged = {
    {2, 0, 7, 7}, {0, 0, 1, 70}, {1, 0, 5, 12}, {3, 0, 65, 66}};

class AttentionTest : public testing::TestWithParam<std::tuple<Isa, DType>> {
 protected:
  Isa isa = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());

  void expect_right(Shape shape, const std::vector<SequenceRows>& sequences, int threads = 1) {
    const Case c = make_case(dtype, shape, sequences, 11);
    const auto expected = expected_output(c);
    for (const Attention attention : {Attention::kFlash, Attention::kUnfused}) {
      EXPECT_LE(worst(run(c, isa, attention, threads), expected), tolerance(dtype))
          << name_of(attention) << " group " << shape.group << " d " << shape.head_dim;
    }
  }
};

TEST_P(AttentionTest, EveryHeadSize) {
  for (const std::int64_t d : {2, 8, 24, 48, 64, 80, 128, 136}) expect_right({2, d}, kRagged);
}

TEST_P(AttentionTest, EveryGroupSize) {
  for (const std::int64_t group : {1, 2, 3, 4, 5, 8, 16}) expect_right({group, 16}, kRagged);
}

TEST_P(AttentionTest, EveryLengthAroundABlockOfKeys) {
  for (const std::int32_t length : {1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129}) {
    expect_right({3, 8}, {{0, 0, 1, length}});
    expect_right({1, 8}, {{0, 0, length, length}});
    expect_right({2, 8}, {{0, 0, (length + 1) / 2, length}});
  }
}

TEST_P(AttentionTest, LongContextsAreSplitAndJoined) {
  expect_right({3, 16}, {{0, 0, 1, 256}, {1, 0, 1, 257}, {2, 0, 1, 700}});
  // Candidate rows on both sides of a split: the first sees nothing of the last run.
  for (const std::int32_t length : {257, 258, 260, 513, 600}) {
    expect_right({2, 16}, {{0, 0, 4, length}, {1, 0, 2, 40}});
  }
}

TEST_P(AttentionTest, ManyBlocksOfTokens) {
  expect_right({4, 8}, {{0, 0, 150, 150}, {1, 0, 97, 130}});
  expect_right({1, 8}, {{0, 0, 400, 401}});
}

TEST_P(AttentionTest, ThreadsShareTheWork) {
  expect_right({3, 16}, {{0, 0, 70, 70}, {1, 0, 1, 700}, {2, 0, 3, 300}}, 3);
}

TEST_P(AttentionTest, ARowDoesNotDependOnItsCompany) {
  // The last token of a candidate step sees what a plain decode step would: bit by bit the same.
  for (const std::int32_t length : {5, 64, 65, 256, 257, 300}) {
    Case wide = make_case(dtype, {3, 24}, {{0, 0, 4, length}}, 5);
    const auto together = run(wide, isa, Attention::kFlash, 1);
    Case narrow = wide;
    narrow.sequences = {{0, 0, 1, length}};
    narrow.rows = 1;
    const auto skip = static_cast<std::size_t>(3 * wide.stride());
    narrow.qkv = Stored(
        dtype, std::vector<double>(wide.qkv.values.begin() + static_cast<std::ptrdiff_t>(skip),
                                   wide.qkv.values.end()));
    const auto alone = run(narrow, isa, Attention::kFlash, 1);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      ASSERT_EQ(alone[i], together[together.size() - alone.size() + i]) << length;
    }
  }
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  Case c = make_case(dtype, {2, 16}, kRagged, 3);
  for (auto& value : c.qkv.values) value *= 30;
  c.qkv = Stored(dtype, c.qkv.values);
  const auto expected = expected_output(c);
  const auto got = run(c, isa, Attention::kFlash, 1);
  for (const double value : got) ASSERT_TRUE(std::isfinite(value));
  if (dtype == DType::kF32) {
    EXPECT_LE(worst(got, expected), 1e-3);
  }
}

std::string attention_name(const testing::TestParamInfo<std::tuple<Isa, DType>>& info) {
  return std::string(kernels_for(std::get<0>(info.param)).name) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(All, AttentionTest,
                         testing::Combine(testing::ValuesIn(usable_isas()),
                                          testing::Values(DType::kF32, DType::kBF16, DType::kF16)),
                         attention_name);

}  // namespace
}  // namespace rooftop::inference::cpu
