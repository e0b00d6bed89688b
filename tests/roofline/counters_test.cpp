#include "profiler/roofline/counters.h"

#include <gtest/gtest.h>

#include <limits>

namespace rooftop {
namespace {

void count(LaunchCounters& counters, std::string_view metric, double value,
           Provenance source = Provenance::kMeasured) {
  const auto meaning = meaning_of(metric);
  ASSERT_TRUE(meaning) << metric;
  counters.add(*meaning, value, source);
}

TEST(Counters, MultiplyAddsCountTwice) {
  LaunchCounters c;
  count(c, "smsp__sass_thread_inst_executed_op_fadd_pred_on.sum", 10);
  count(c, "smsp__sass_thread_inst_executed_op_fmul_pred_on.sum", 20);
  count(c, "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", 100);
  count(c, "smsp__sass_thread_inst_executed_op_dfma_pred_on.sum", 7);
  count(c, "smsp__sass_thread_inst_executed_op_hfma_pred_on.sum", 5);
  count(c, "sm__ops_path_tensor_op_hmma_src_bf16_dst_fp32_sparsity_off.sum", 1000);
  count(c, "sm__ops_path_tensor_src_fp8_sparsity_off.sum", 24);
  EXPECT_EQ(c.get(CounterFigure::kFp32Flops).value, 230);
  EXPECT_EQ(c.get(CounterFigure::kFp64Flops).value, 14);
  EXPECT_EQ(c.get(CounterFigure::kFp16Flops).value, 20);
  EXPECT_EQ(c.get(CounterFigure::kTensorFlops).value, 1024);
  EXPECT_EQ(c.flops().value, 230 + 14 + 20 + 1024);
}

TEST(Counters, AbsentIsNeverZero) {
  LaunchCounters c;
  EXPECT_FALSE(c.flops().present());
  EXPECT_FALSE(c.dram_bytes().present());
  count(c, "dram__bytes_read.sum", 100);
  EXPECT_FALSE(c.dram_bytes().present());  // half of a measurement
  count(c, "dram__bytes_write.sum", 0, Provenance::kJoined);
  EXPECT_EQ(c.dram_bytes().value, 100);
  EXPECT_EQ(c.dram_bytes().source, Provenance::kJoined);
  // Idle tensor cores say nothing about the FLOPs of a norm.
  count(c, "sm__ops_path_tensor_src_fp8_sparsity_off.sum", 0);
  EXPECT_TRUE(c.get(CounterFigure::kTensorFlops).present());
  EXPECT_FALSE(c.flops().present());
}

TEST(Counters, NonsenseIsNotCounted) {
  EXPECT_FALSE(meaning_of("sm__cycles_active.sum"));
  EXPECT_FALSE(meaning_of(""));
  LaunchCounters c;
  count(c, "lts__t_bytes.sum", std::numeric_limits<double>::quiet_NaN());
  count(c, "lts__t_bytes.sum", -1);
  count(c, "lts__t_bytes.sum", 5, Provenance::kAbsent);
  EXPECT_FALSE(c.get(CounterFigure::kL2).present());
}

TEST(LaunchCounters, DramBytesCountedAsOneStandForBothUnlessBothWereCounted) {
  LaunchCounters counters;
  counters.add(*meaning_of("dram__bytes.sum"), 100, Provenance::kMeasured);
  EXPECT_EQ(counters.dram_bytes().value, 100);
  counters.add(*meaning_of("dram__bytes_read.sum"), 60, Provenance::kJoined);
  EXPECT_EQ(counters.dram_bytes().value, 100) << "one direction alone says nothing";
  counters.add(*meaning_of("dram__bytes_write.sum"), 30, Provenance::kJoined);
  EXPECT_EQ(counters.dram_bytes().value, 90);
  EXPECT_EQ(counters.dram_bytes().source, Provenance::kJoined);
}

}  // namespace
}  // namespace rooftop
