// mma and ldmatrix against the layouts of the PTX ISA (sections "Matrix Fragments for
// mma.m16n8k16" and "ldmatrix"), written out here element by element as they stand there.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/host_executor/run.h"

namespace rooftop::gpu {
namespace {

struct Place {
  int row;
  int column;
};

// Element i of a thread's fragment of A, 16x16, i = 0 .. 7.
Place place_in_a(int lane, int i) {
  const int group = lane >> 2;
  const int t = lane % 4;
  const bool upper = (i >= 0 && i < 2) || (i >= 4 && i < 6);
  return {upper ? group : group + 8, i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8};
}
// Of B, 16x8, i = 0 .. 3.
Place place_in_b(int lane, int i) {
  const int t = lane % 4;
  return {i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, lane >> 2};
}
// Of C and D, 16x8, i = 0 .. 3.
Place place_in_d(int lane, int i) {
  const int group = lane >> 2;
  return {i < 2 ? group : group + 8, (lane % 4) * 2 + (i & 1)};
}

struct Fragments {
  std::uint32_t a[kWarp][4];
  std::uint32_t b[kWarp][2];
  float d[kWarp][4];
};

template <typename T>
void multiply_kernel(Fragments* fragments) {
  mma<T>(fragments->d[thread()], fragments->a[thread()], fragments->b[thread()][0],
         fragments->b[thread()][1]);
}

template <typename T>
class Mma : public testing::Test {};
using Types = testing::Types<bf16, f16>;
TYPED_TEST_SUITE(Mma, Types);

// Small integers: products and sums are exact in any order.
TYPED_TEST(Mma, IsAPlainProductInEveryRegister) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> any(-9, 9);
  int a[16][16];
  int b[16][8];
  int d[16][8];
  for (auto& row : a) {
    for (int& x : row) x = any(random);
  }
  for (auto& row : b) {
    for (int& x : row) x = any(random);
  }
  for (auto& row : d) {
    for (int& x : row) x = any(random);
  }
  Fragments fragments;
  for (int lane = 0; lane < kWarp; ++lane) {
    const auto a_at = [&](int i) {
      const Place p = place_in_a(lane, i);
      return static_cast<float>(a[p.row][p.column]);
    };
    const auto b_at = [&](int i) {
      const Place p = place_in_b(lane, i);
      return static_cast<float>(b[p.row][p.column]);
    };
    for (int r = 0; r < 4; ++r) {
      fragments.a[lane][r] = pack2<TypeParam>(a_at(2 * r), a_at(2 * r + 1));
    }
    for (int r = 0; r < 2; ++r) {
      fragments.b[lane][r] = pack2<TypeParam>(b_at(2 * r), b_at(2 * r + 1));
    }
    for (int i = 0; i < 4; ++i) {
      const Place p = place_in_d(lane, i);
      fragments.d[lane][i] = static_cast<float>(d[p.row][p.column]);
    }
  }
  run(kWarp, 0, multiply_kernel<TypeParam>, &fragments);
  for (int lane = 0; lane < kWarp; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const Place p = place_in_d(lane, i);
      int expected = d[p.row][p.column];
      for (int k = 0; k < 16; ++k) expected += a[p.row][k] * b[k][p.column];
      EXPECT_EQ(fragments.d[lane][i], static_cast<float>(expected)) << "lane " << lane << " " << i;
    }
  }
}

// What element `column` of row `row` of matrix `matrix` holds.
constexpr std::uint32_t label(int matrix, int row, int column) {
  return static_cast<std::uint32_t>(1000 * matrix + 10 * row + column + 1);
}
// Rows lie in shared memory in no order.
__device__ int slot_of_row(int row) { return (row * 11 + 5) % kWarp; }

// Lane i stores row i, and gives its address.
void load_kernel(std::uint32_t (*out)[4], bool transposed) {
  ROOFTOP_DYNAMIC_SHARED(memory);
  auto* const rows = memory.take<std::uint16_t>(kWarp * 8);
  std::uint16_t* const mine = rows + 8 * slot_of_row(thread());
  for (int column = 0; column < 8; ++column) {
    mine[column] = static_cast<std::uint16_t>(label(thread() / 8, thread() % 8, column));
  }
  __syncwarp();
  if (transposed) {
    load_matrix_x4_transposed(out[thread()], mine);
  } else {
    load_matrix_x4(out[thread()], mine);
  }
}

TEST(LoadMatrix, ThreadGetsTwoElementsOfARow) {
  std::uint32_t out[kWarp][4];
  run(kWarp, shared_bytes<std::uint16_t>(kWarp * 8), load_kernel, &out[0], false);
  for (int lane = 0; lane < kWarp; ++lane) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      const int row = lane / 4;
      const int column = lane % 4 * 2;
      EXPECT_EQ(out[lane][matrix] & 0xFFFF, label(matrix, row, column)) << lane;
      EXPECT_EQ(out[lane][matrix] >> 16, label(matrix, row, column + 1)) << lane;
    }
  }
}

// Transposed, a thread gets what it would of the transposed matrix.
TEST(LoadMatrix, TransposedThreadGetsTwoElementsOfAColumn) {
  std::uint32_t out[kWarp][4];
  run(kWarp, shared_bytes<std::uint16_t>(kWarp * 8), load_kernel, &out[0], true);
  for (int lane = 0; lane < kWarp; ++lane) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      const int column = lane / 4;
      const int row = lane % 4 * 2;
      EXPECT_EQ(out[lane][matrix] & 0xFFFF, label(matrix, row, column)) << lane;
      EXPECT_EQ(out[lane][matrix] >> 16, label(matrix, row + 1, column)) << lane;
    }
  }
}

}  // namespace
}  // namespace rooftop::gpu
