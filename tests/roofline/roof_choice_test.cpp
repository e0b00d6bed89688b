#include "profiler/roofline/roof_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "profiler/roofline/units.h"

namespace rooftop {
namespace {

Meta meta_with(std::vector<MeasuredRoof> roofs) {
  Meta meta;
  meta.dtype = "bf16";
  meta.roofs = std::move(roofs);
  return meta;
}

const MeasuredRoof kRead{.device = 0, .kind = "dram_read", .dtype = "", .value = 700e9};
const MeasuredRoof kPeak{.device = 0, .kind = "compute", .dtype = "bf16", .value = 140e12};

TEST(RoofChoice, MeasuredRoofsWinOverTheDatasheet) {
  const DeviceTable table = DeviceTable::built_in();
  const DeviceSpec* a6000 = table.find("a6000");
  ASSERT_NE(a6000, nullptr);
  const auto best = choose_roofs(meta_with({kRead, kPeak}), 0, a6000, RoofSource::kBest);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->name, "measured:bf16");
  EXPECT_EQ(best->bandwidth, 700e9);
  EXPECT_EQ(best->ridge(), 200);
  const auto sheet = choose_roofs(meta_with({kRead, kPeak}), 0, a6000, RoofSource::kDatasheet);
  ASSERT_TRUE(sheet);
  EXPECT_EQ(sheet->name, "datasheet:bf16");
  EXPECT_EQ(sheet->bandwidth, 768e9);
}

TEST(RoofChoice, OriginsAreNeverMixed) {
  const DeviceTable table = DeviceTable::built_in();
  const DeviceSpec* a6000 = table.find("a6000");
  EXPECT_EQ(choose_roofs(meta_with({kRead}), 0, a6000, RoofSource::kBest)->name, "datasheet:bf16");
  EXPECT_FALSE(choose_roofs(meta_with({kRead}), 0, a6000, RoofSource::kMeasured));
  EXPECT_FALSE(choose_roofs(meta_with({kRead}), 0, nullptr, RoofSource::kBest));
  EXPECT_FALSE(choose_roofs(meta_with({kRead, kPeak}), 1, nullptr, RoofSource::kBest));
}

TEST(RoofChoice, TheHighestOfSeveralMeasurementsCounts) {
  MeasuredRoof slower = kRead;
  slower.value = 600e9;
  MeasuredRoof broken = kRead;
  broken.value = std::numeric_limits<double>::infinity();
  const auto pair =
      choose_roofs(meta_with({slower, kRead, broken, kPeak}), 0, nullptr, RoofSource::kBest);
  EXPECT_EQ(pair->bandwidth, 700e9);
}

TEST(RoofChoice, TheFloorIsTheLowerOfTheTwoRoofs) {
  const RoofPair roofs{.name = "x", .bandwidth = 100, .peak = 1000};
  const Floor memory = floor_under(roofs, 50, 10);  // 5 FLOP/byte: below the ridge at 10
  EXPECT_TRUE(memory.memory_bound);
  EXPECT_EQ(memory.seconds, 0.1);
  const Floor compute = floor_under(roofs, 500, 10);
  EXPECT_FALSE(compute.memory_bound);
  EXPECT_EQ(compute.seconds, 0.5);
  // The same as achieved over min(peak, bandwidth * intensity).
  for (const double flops : {1.0, 30.0, 99.0, 101.0, 7000.0}) {
    const double seconds = 3;
    const double achieved = flops / seconds;
    const double roof = std::min(roofs.peak, roofs.bandwidth * (flops / 10));
    EXPECT_NEAR(floor_under(roofs, flops, 10).seconds / seconds, achieved / roof, 1e-12);
  }
}

TEST(RoofChoice, EveryKnownRoofIsListedDrawnOnesFirst) {
  const DeviceTable table = DeviceTable::built_in();
  const DeviceSpec* a6000 = table.find("a6000");
  const Meta meta = meta_with({kRead, kPeak});
  Report report;
  add_roofs(report, meta, 0, "a6000", a6000, choose_roofs(meta, 0, a6000, RoofSource::kDatasheet));
  ASSERT_GE(report.roofs_size(), 4);
  EXPECT_EQ(report.roofs(0).name(), "datasheet:dram");
  EXPECT_EQ(report.roofs(0).label(), "768GB/s");
  EXPECT_EQ(report.roofs(0).kind(), "bandwidth");
  EXPECT_EQ(report.roofs(1).name(), "datasheet:bf16");
  EXPECT_EQ(report.roofs(1).kind(), "compute");
  for (int i = 0; i < report.roofs_size(); ++i) {
    EXPECT_EQ(report.roofs(i).drawn(), i < 2) << i;
    EXPECT_FALSE(report.roofs(i).source().empty()) << i;
  }
}

TEST(Units, LabelsAreThePapers) {
  EXPECT_EQ(format_bandwidth(768e9), "768GB/s");
  EXPECT_EQ(format_bandwidth(1935e9), "1935GB/s");
  EXPECT_EQ(format_bandwidth(20.53e9), "20.5GB/s");
  EXPECT_EQ(format_bandwidth(8e12), "8000GB/s");
  EXPECT_EQ(format_flops_rate(181e12), "181 TFLOP/s");
  EXPECT_EQ(format_flops_rate(154.8e12), "154.8 TFLOP/s");
  EXPECT_EQ(format_flops_rate(2250e12), "2250 TFLOP/s");
  EXPECT_EQ(format_flops_rate(114.3e9), "114.3 GFLOP/s");
  EXPECT_EQ(format_flops_rate(1e10), "10 GFLOP/s");
}

}  // namespace
}  // namespace rooftop
