// What writes the KV cache, on the host executor: rotation and appending, and noise.
#include <gtest/gtest.h>

#include <cuda_runtime_api.h>

#include <numeric>
#include <string>

#include "inference/cuda/kernels.h"
#include "tests/inference/cuda/rows_fixture.h"

namespace rooftop::inference::cuda {
namespace {

using rows_test::DeviceArray;
using rows_test::dtype_of;
using rows_test::gaussian;
using rows_test::half_ulp;
using rows_test::size_of;

struct Heads {
  int heads;
  int kv_heads;
  int dim;
};

constexpr int kSlots = 4;
constexpr int kMaxLength = 9;

// Three sequences of different lengths and rows, in slots that are not in order: slot 1 is unused.
std::vector<SequenceRows> ragged_sequences() { return {{3, 0, 2, 9}, {0, 2, 1, 1}, {2, 3, 4, 6}}; }

// A step and the arrays it works on.
template <typename T>
class RopeStep {
 public:
  RopeStep(const Heads& heads, unsigned seed)
      : heads_(heads),
        random_(seed),
        sequences_(ragged_sequences()),
        rows_(sequences_.back().first_row + sequences_.back().rows),
        qkv_(gaussian<T>(cells(rows_, heads.heads + 2 * heads.kv_heads), random_)),
        q_(cells(rows_, heads.heads)),
        keys_(cells(kSlots * kMaxLength, heads.kv_heads)),
        values_(cells(kSlots * kMaxLength, heads.kv_heads)),
        angles_(size_of(2, kMaxLength, heads.dim / 2)),
        device_sequences_(sequences_.size()),
        row_sequence_(size_of(rows_)) {
    std::uniform_real_distribution<float> turn(-3.2F, 3.2F);
    for (std::size_t i = 0; i < angles_.size(); i += 2) {
      const float angle = turn(random_);
      angles_[i] = std::cos(angle);
      angles_[i + 1] = std::sin(angle);
    }
    std::copy(sequences_.begin(), sequences_.end(), device_sequences_.data());
    for (std::size_t s = 0; s < sequences_.size(); ++s) {
      std::fill_n(row_sequence_.data() + sequences_[s].first_row, sequences_[s].rows,
                  static_cast<std::int32_t>(s));
    }
  }

  void run() {
    RopeKv call;
    call.dtype = dtype_of<T>();
    call.step.sequences = device_sequences_.data();
    call.step.row_sequence = row_sequence_.data();
    call.step.batch = static_cast<std::int32_t>(sequences_.size());
    call.step.rows = rows_;
    call.step.most_rows = 4;
    call.heads = heads_.heads;
    call.kv_heads = heads_.kv_heads;
    call.head_dim = heads_.dim;
    call.max_length = kMaxLength;
    call.qkv = qkv_.data();
    call.angles = reinterpret_cast<const float2*>(angles_.data());
    call.q = q_.data();
    call.keys = keys_.data();
    call.values = values_.data();
    launch_rope_kv(call, nullptr);
  }

  void expect_right() const {
    std::vector<bool> written(size_of(kSlots, kMaxLength));
    for (const SequenceRows& sequence : sequences_) {
      for (int i = 0; i < sequence.rows; ++i) {
        const int row = sequence.first_row + i;
        const int position = sequence.length - sequence.rows + i;
        written[size_of(sequence.slot, kMaxLength) + size_of(position)] = true;
        expect_row(row, sequence.slot, position);
      }
    }
    expect_rest_untouched(written);
    EXPECT_TRUE(q_.intact());
  }

 private:
  std::size_t cells(int rows, int heads) const { return size_of(rows, heads, heads_.dim); }
  std::size_t cache_at(int slot, int head, int position) const {
    return cells((slot * heads_.kv_heads + head) * kMaxLength + position, 1);
  }

  void expect_row(int row, int slot, int position) const {
    const std::size_t from = cells(row, heads_.heads + 2 * heads_.kv_heads);
    for (int head = 0; head < heads_.heads; ++head) {
      expect_rotated(from + cells(head, 1), position, q_, cells(row * heads_.heads + head, 1));
    }
    for (int head = 0; head < heads_.kv_heads; ++head) {
      const std::size_t to = cache_at(slot, head, position);
      const std::size_t key = from + cells(heads_.heads + head, 1);
      expect_rotated(key, position, keys_, to);
      const std::size_t value = key + cells(heads_.kv_heads, 1);
      for (int i = 0; i < heads_.dim; ++i) {
        ASSERT_EQ(values_.at(to + i), qkv_.at(value + i)) << "value of row " << row;
      }
    }
  }

  void expect_rotated(std::size_t from, int position, const DeviceArray<T>& array,
                      std::size_t to) const {
    const int half = heads_.dim / 2;
    for (int i = 0; i < half; ++i) {
      const std::size_t angle = 2 * (size_of(position, half) + size_of(i));
      const double cosine = angles_[angle];
      const double sine = angles_[angle + 1];
      const double low = qkv_.at(from + i);
      const double high = qkv_.at(from + half + i);
      const double slack = 1e-6 * (std::abs(low) + std::abs(high));
      const double turned[] = {low * cosine - high * sine, low * sine + high * cosine};
      for (int part = 0; part < 2; ++part) {
        ASSERT_NEAR(array.at(to + size_of(i) + size_of(part, half)), turned[part],
                    slack + 1.01 * half_ulp<T>() * std::abs(turned[part]))
            << "position " << position << ", pair " << i;
      }
    }
  }

  void expect_rest_untouched(const std::vector<bool>& written) const {
    EXPECT_TRUE(keys_.intact());
    EXPECT_TRUE(values_.intact());
    for (int slot = 0; slot < kSlots; ++slot) {
      for (int position = 0; position < kMaxLength; ++position) {
        if (written[size_of(slot, kMaxLength) + size_of(position)]) continue;
        for (int head = 0; head < heads_.kv_heads; ++head) {
          const std::size_t at = cache_at(slot, head, position);
          for (int i = 0; i < heads_.dim; ++i) {
            ASSERT_TRUE(keys_.untouched(at + i) && values_.untouched(at + i))
                << "slot " << slot << ", position " << position;
          }
        }
      }
    }
  }

  Heads heads_;
  std::mt19937 random_;
  std::vector<SequenceRows> sequences_;
  int rows_;
  DeviceArray<T> qkv_;
  DeviceArray<T> q_;
  DeviceArray<T> keys_;
  DeviceArray<T> values_;
  DeviceArray<float> angles_;  // pairs (cos, sin)
  DeviceArray<SequenceRows> device_sequences_;
  DeviceArray<std::int32_t> row_sequence_;
};

template <typename T>
class RopeKvKernel : public ::testing::Test {};
using Types = ::testing::Types<__nv_bfloat16, __half>;
TYPED_TEST_SUITE(RopeKvKernel, Types);

TYPED_TEST(RopeKvKernel, EveryHeadAndGroupSize) {
  const rows_test::KeepOptions keep;
  unsigned seed = 0;
  for (const int dim : {2, 8, 24, 48, 64, 128}) {
    for (const int group : {1, 2, 3, 4, 8}) {
      for (const int kv_heads : {1, 3}) {
        SCOPED_TRACE("head size " + std::to_string(dim) + ", group " + std::to_string(group) +
                     ", KV heads " + std::to_string(kv_heads));
        host_executor::set_options(rows_test::schedules()[seed % 5]);
        RopeStep<TypeParam> step({group * kv_heads, kv_heads, dim}, seed++);
        step.run();
        step.expect_right();
      }
    }
  }
}

template <typename T>
class NoiseKernel : public ::testing::Test {
 protected:
  static DeviceArray<T> noise(int max_length, int dim, int begin, int end, std::uint64_t seed) {
    DeviceArray<T> cache(size_of(kKvHeads, max_length, dim));
    launch_noise(dtype_of<T>(), cache.data(), kKvHeads, max_length, dim, begin, end, seed, nullptr);
    EXPECT_TRUE(cache.intact());
    return cache;
  }
  static std::size_t at(int max_length, int dim, int head, int position, int i) {
    return size_of(head, max_length, dim) + size_of(position, dim) + size_of(i);
  }

  static constexpr int kKvHeads = 3;
};
TYPED_TEST_SUITE(NoiseKernel, Types);

TYPED_TEST(NoiseKernel, FillsItsPositionsOnly) {
  for (const int dim : {6, 8, 12, 48}) {
    const auto cache = this->noise(17, dim, 3, 11, 1);
    for (int head = 0; head < this->kKvHeads; ++head) {
      for (int position = 0; position < 17; ++position) {
        for (int i = 0; i < dim; ++i) {
          const std::size_t at = this->at(17, dim, head, position, i);
          const bool inside = position >= 3 && position < 11;
          ASSERT_EQ(cache.untouched(at), !inside) << head << ' ' << position << ' ' << i;
          if (inside) {
            ASSERT_LT(std::abs(cache.at(at)), 8);
          }
        }
      }
    }
  }
}

TYPED_TEST(NoiseKernel, FillsNothingWhereTheRangeIsEmpty) {
  const auto cache = this->noise(5, 8, 2, 2, 1);
  EXPECT_TRUE(cache.intact(0));
}

// The first four moments of a standard Gaussian, within five standard errors.
TYPED_TEST(NoiseKernel, IsStandardGaussian) {
  const auto cache = this->noise(96, 64, 0, 96, 12345);
  const auto n = static_cast<double>(cache.size());
  double moments[5] = {};
  for (std::size_t i = 0; i < cache.size(); ++i) {
    for (int power = 1; power <= 4; ++power) moments[power] += std::pow(cache.at(i), power) / n;
  }
  EXPECT_NEAR(moments[1], 0, 5 * std::sqrt(1 / n));
  EXPECT_NEAR(moments[2], 1, 5 * std::sqrt(2 / n) + 1e-3);
  EXPECT_NEAR(moments[3], 0, 5 * std::sqrt(15 / n));
  // A sum of eight uniform values: kurtosis 3 - 1.2 / 8.
  EXPECT_NEAR(moments[4], 2.85, 5 * std::sqrt(96 / n));
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / static_cast<double>(a.size());
}

TYPED_TEST(NoiseKernel, ElementsAndSeedsAreIndependent) {
  const int dim = 64;
  std::vector<std::vector<double>> series;
  for (const std::uint64_t seed : {0ULL, 1ULL, 2ULL, 1ULL << 40}) {
    const auto cache = this->noise(32, dim, 0, 32, seed);
    std::vector<double> all;
    for (std::size_t i = 0; i < cache.size(); ++i) all.push_back(cache.at(i));
    for (const int lag : {1, 2, 8, dim, 32 * dim}) {
      const std::vector<double> early(all.begin(), all.end() - lag);
      const std::vector<double> late(all.begin() + lag, all.end());
      EXPECT_LT(std::abs(correlation(early, late)),
                5 / std::sqrt(static_cast<double>(early.size())))
          << "seed " << seed << ", lag " << lag;
    }
    for (const auto& other : series) {
      EXPECT_LT(std::abs(correlation(all, other)), 5 / std::sqrt(static_cast<double>(all.size())))
          << "seed " << seed;
    }
    series.push_back(all);
  }
}

// Equal seeds give equal values, whatever the range and the capacity.
TYPED_TEST(NoiseKernel, DependsOnSeedHeadAndPositionAlone) {
  const int dim = 8;
  const auto a = this->noise(20, dim, 0, 20, 7);
  const auto b = this->noise(33, dim, 5, 20, 7);
  for (int head = 0; head < this->kKvHeads; ++head) {
    for (int position = 5; position < 20; ++position) {
      for (int i = 0; i < dim; ++i) {
        ASSERT_EQ(a.at(this->at(20, dim, head, position, i)),
                  b.at(this->at(33, dim, head, position, i)));
      }
    }
  }
}

}  // namespace
}  // namespace rooftop::inference::cuda
