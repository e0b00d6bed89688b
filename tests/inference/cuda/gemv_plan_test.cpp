#include "inference/cuda/gemv_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace rooftop::inference::cuda {
namespace {

constexpr std::int32_t kH100 = 132;  // multiprocessors

struct Product {
  std::int64_t rows;
  std::int64_t weight_rows;
  std::int64_t k;
};

GemvPlan plan_of(const Product& p, std::int32_t multiprocessors) {
  return plan_gemv(static_cast<std::int32_t>(p.rows), p.weight_rows, static_cast<std::int32_t>(p.k),
                   multiprocessors);
}

std::string describe(const Product& p) {
  return "rows " + std::to_string(p.rows) + ", weight rows " + std::to_string(p.weight_rows) +
         ", k " + std::to_string(p.k);
}

void expect_valid(const Product& p, std::int32_t multiprocessors) {
  SCOPED_TRACE(describe(p));
  const GemvPlan plan = plan_of(p, multiprocessors);
  const GemvShape shape = gemv_shape(plan.kernel);
  EXPECT_GE(std::int64_t{plan.groups} * shape.group_rows, p.weight_rows);
  EXPECT_LT((std::int64_t{plan.groups} - 1) * shape.group_rows, p.weight_rows);
  EXPECT_GE(plan.blocks, 1);
  EXPECT_LE(plan.blocks, plan.groups);
  EXPECT_LE(plan.blocks, multiprocessors * shape.resident);
  EXPECT_EQ(shape.warps % plan.k_slices, 0);
  // Every slice has a batch, or there are none.
  EXPECT_LE(plan.k_slices, std::max<std::int64_t>(p.k / shape.chunk / kGemvBatchChunks, 1));
  if (p.rows > kGemvMostDotRows) {
    EXPECT_EQ(plan.kernel, GemvKernel::kMma);
  }
  if (plan.kernel == GemvKernel::kDot) {
    EXPECT_TRUE(plan.staged);
  }
}

TEST(GemvPlan, IsValidForAnyShape) {
  std::mt19937 random(1);
  const auto uniform = [&](int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random);
  };
  for (int i = 0; i < 2000; ++i) {
    const int bits = uniform(0, 17);
    const Product product{uniform(1, 8), uniform(1, 1 << bits),
                          8L * uniform(1, 1 << (bits / 2 + 4))};
    expect_valid(product, uniform(1, 148));
  }
}

// Bytes that all warps with work together have on their way, per multiprocessor, averaged over the
// passes.
double bytes_on_their_way(const GemvPlan& plan) {
  constexpr double kOfWarp = 2.0 * kGemvBatchChunks * 32 * 16;
  const int at_once = gemv_shape(plan.kernel).warps / plan.k_slices;
  const int most_groups = (plan.groups + plan.blocks - 1) / plan.blocks;
  const int passes = (most_groups + at_once - 1) / at_once;
  return static_cast<double>(plan.groups) * plan.k_slices / passes * kOfWarp / kH100;
}

// The matrices of a 7B, an 8B and a 13B model: qkv, o, gate and up, down, head.
const Product kModelProducts[] = {
    {1, 12288, 4096}, {1, 4096, 4096},  {1, 22016, 4096},  {1, 4096, 11008}, {1, 32000, 4096},
    {1, 6144, 4096},  {1, 4096, 14336}, {1, 128256, 4096}, {1, 15360, 5120}, {1, 5120, 13824},
};

// Latency times bandwidth: about 40 KB per multiprocessor of an H100.
TEST(GemvPlan, KeepsEnoughBytesOnTheirWay) {
  for (Product product : kModelProducts) {
    for (product.rows = 1; product.rows <= 8; ++product.rows) {
      SCOPED_TRACE(describe(product));
      const GemvPlan plan = plan_of(product, kH100);
      EXPECT_GE(bytes_on_their_way(plan), 40 * 1024);
    }
  }
}

// No multiprocessor has fewer blocks than another, and none waits for a second wave.
TEST(GemvPlan, FillsTheCardOnce) {
  for (Product product : kModelProducts) {
    for (product.rows = 1; product.rows <= 8; ++product.rows) {
      SCOPED_TRACE(describe(product));
      const GemvPlan plan = plan_of(product, kH100);
      EXPECT_EQ(plan.blocks % kH100, 0);
      const auto x_bytes = static_cast<std::size_t>(
          product.rows * 2 * gemv_stride(static_cast<std::int32_t>(product.k)));
      if (plan.staged) {
        EXPECT_LE(plan.blocks / kH100 * x_bytes, kGemvMostStaged);
      }
    }
  }
}

TEST(GemvPlan, ReadsXThroughL1WhereSharedMemoryIsTooSmall) {
  EXPECT_TRUE(plan_gemv(8, 4096, 4096, kH100).staged);
  EXPECT_FALSE(plan_gemv(8, 4096, 11008, kH100).staged);
  EXPECT_TRUE(plan_gemv(1, 8192, 28672, kH100).staged);
  const GemvPlan long_row = plan_gemv(1, 16, 53248, kH100);
  EXPECT_FALSE(long_row.staged);
  EXPECT_EQ(long_row.kernel, GemvKernel::kMma) << "only this one can";
}

// Rows of staged x that a tensor core reads together must differ by half of the 32 banks.
TEST(GemvPlan, SpreadsStagedRowsOverTheBanks) {
  for (std::int32_t k = 8; k < 20000; k += 8) {
    EXPECT_GE(gemv_stride(k), k);
    EXPECT_EQ(gemv_stride(k) * 2 % 128, 64);
  }
}

}  // namespace
}  // namespace rooftop::inference::cuda
