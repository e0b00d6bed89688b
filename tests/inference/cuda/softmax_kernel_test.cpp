// The softmax of unfused attention against the definition in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/host_executor/host_executor.h"
#include "tests/inference/cuda/attention_case.h"

namespace rooftop::inference::cuda {
namespace {

struct Scores {
  DType dtype = DType::kBF16;
  std::int32_t heads = 1;
  std::vector<SequenceRows> sequences;
  std::vector<std::int32_t> row_sequence;
  std::vector<std::int64_t> offsets;
  Stored scores;  // NaN in the gaps around each sequence's block, and where the mask takes away
};

Scores make_scores(DType dtype, std::int32_t heads, const std::vector<RowsAndKeys>& sequences,
                   std::uint64_t seed, double spread = 3.0) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> distribution(0.0, spread);
  std::uniform_int_distribution<std::size_t> gap(0, 9);
  Scores made;
  made.dtype = dtype;
  made.heads = heads;
  std::int32_t rows = 0;
  for (const auto& sequence : sequences) {
    const std::int32_t length = sequence.rows + sequence.before;
    made.row_sequence.insert(made.row_sequence.end(), static_cast<std::size_t>(sequence.rows),
                             static_cast<std::int32_t>(made.sequences.size()));
    made.sequences.push_back({0, rows, sequence.rows, length});
    rows += sequence.rows;
    made.scores.insert(made.scores.end(), gap(engine), stored_nan(dtype));
    made.offsets.push_back(static_cast<std::int64_t>(made.scores.size()));
    for (std::int32_t head_row = 0; head_row < heads * sequence.rows; ++head_row) {
      const std::int32_t position = sequence.before + head_row % sequence.rows;
      for (std::int32_t key = 0; key < length; ++key) {
        const auto score = stored_of(dtype, static_cast<float>(distribution(engine)));
        made.scores.push_back(key <= position ? score : stored_nan(dtype));
      }
    }
  }
  made.scores.insert(made.scores.end(), gap(engine), stored_nan(dtype));
  return made;
}

void run(Scores& s) {
  StepRows step;
  step.sequences = s.sequences.data();
  step.row_sequence = s.row_sequence.data();
  step.batch = static_cast<std::int32_t>(s.sequences.size());
  step.rows = static_cast<std::int32_t>(s.row_sequence.size());
  for (const auto& sequence : s.sequences) step.most_rows = std::max(step.most_rows, sequence.rows);
  launch_softmax(s.dtype, step, s.heads, s.offsets.data(), s.scores.data(), nullptr);
}

// `row` of `before` and after: of one head, `visible` keys.
void expect_row(DType dtype, const std::uint16_t* before, const std::uint16_t* after,
                std::size_t visible, std::size_t length) {
  std::vector<double> expected(length);
  double largest = value_of(dtype, before[0]);
  for (std::size_t i = 0; i < visible; ++i) largest = std::max(largest, value_of(dtype, before[i]));
  for (std::size_t i = 0; i < visible; ++i) {
    expected[i] = std::exp(value_of(dtype, before[i]) - largest);
  }
  const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
  const double smallest = dtype == DType::kF16 ? 0x1p-24 : 0x1p-126;
  for (std::size_t i = 0; i < length; ++i) {
    const double value = value_of(dtype, after[i]);
    const double tolerance =
        i < visible ? expected[i] / sum * (unit_roundoff(dtype) + 1e-5) + smallest : 0.0;
    ASSERT_TRUE(std::abs(value - expected[i] / sum) <= tolerance)
        << "key " << i << " of " << visible << ", length " << length << ": " << value
        << " instead of " << expected[i] / sum;
  }
}

void check(Scores s) {
  const Scores before = s;
  run(s);
  std::size_t at = 0;
  for (std::size_t i = 0; i < s.sequences.size(); ++i) {
    const auto& sequence = s.sequences[i];
    for (; at < static_cast<std::size_t>(s.offsets[i]); ++at) {
      ASSERT_EQ(s.scores[at], stored_nan(s.dtype)) << "written before a sequence's scores";
    }
    for (std::int32_t head_row = 0; head_row < s.heads * sequence.rows; ++head_row) {
      const auto visible =
          static_cast<std::size_t>(sequence.length - sequence.rows + head_row % sequence.rows + 1);
      const auto length = static_cast<std::size_t>(sequence.length);
      ASSERT_NO_FATAL_FAILURE(
          expect_row(s.dtype, before.scores.data() + at, s.scores.data() + at, visible, length));
      at += length;
    }
  }
  for (; at < s.scores.size(); ++at) {
    ASSERT_EQ(s.scores[at], stored_nan(s.dtype)) << "written behind the last sequence's scores";
  }
}

class SoftmaxKernel : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, SoftmaxKernel, testing::Values(DType::kBF16, DType::kF16),
                         [](const auto& test) {
                           return test.param == DType::kF16 ? std::string("F16") : "BF16";
                         });

TEST_P(SoftmaxKernel, RaggedBatches) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    std::mt19937_64 engine(seed);
    std::uniform_int_distribution<std::int32_t> rows(1, 5);
    std::uniform_int_distribution<std::int32_t> before(0, 200);
    std::vector<RowsAndKeys> sequences(3);
    for (auto& sequence : sequences) sequence = {rows(engine), before(engine)};
    check(make_scores(GetParam(), 3, sequences, seed));
  }
}

TEST_P(SoftmaxKernel, ShortRowsAtEveryAlignment) {
  for (std::int32_t length = 1; length <= 18; ++length) {
    check(make_scores(GetParam(), 3, {{std::min(length, 3), length - std::min(length, 3)}},
                      static_cast<std::uint64_t>(length)));
  }
}

TEST_P(SoftmaxKernel, WholePrompt) { check(make_scores(GetParam(), 2, {{45, 0}, {1, 0}}, 7)); }

// More than a block keeps in registers: 8192 keys.
TEST_P(SoftmaxKernel, LongRows) {
  check(make_scores(GetParam(), 1, {{1, 8184}, {1, 8191}, {2, 12345}}, 8, 1.0));
}

TEST_P(SoftmaxKernel, LargeScores) { check(make_scores(GetParam(), 2, {{3, 90}}, 9, 3000.0)); }

TEST_P(SoftmaxKernel, SameBitsInEverySchedule) {
  using host_executor::Schedule;
  const Scores made = make_scores(GetParam(), 2, {{2, 1500}, {3, 40}}, 10);
  Stored first;
  for (const Schedule schedule : {Schedule::kAscending, Schedule::kDescending, Schedule::kRandom}) {
    host_executor::set_options({.schedule = schedule, .seed = 3});
    Scores copy = made;
    run(copy);
    if (first.empty()) first = copy.scores;
    EXPECT_EQ(first, copy.scores);
  }
  host_executor::set_options(host_executor::Options{});
}

}  // namespace
}  // namespace rooftop::inference::cuda
