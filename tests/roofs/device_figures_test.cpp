// The built-in figures against arithmetic that does not come from the documents they cite: units
// times clock, and width times rate of the memory bus.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "profiler/roofline/device_table/device_table.h"

namespace rooftop {
namespace {

// Dense 16-bit operations of a multiprocessor in a clock, summed in 32 bits. GeForce cards and the
// L40 do half of what their chip can.
double operations_per_clock(const DeviceSpec& device) {
  static const std::map<std::string, double> kHalved = {
      {"rtx-3090", 512}, {"rtx-4090", 512}, {"rtx-5090", 512}, {"l40", 512}};
  static const std::map<std::string, double> kOfChip = {
      {"GA100", 2048}, {"GA102", 1024}, {"AD102", 1024}, {"AD104", 1024},
      {"GB202", 1024}, {"GH100", 4096}, {"GB100", 8192}};
  const auto halved = kHalved.find(device.id);
  return halved != kHalved.end() ? halved->second : kOfChip.at(device.chip);
}

double f32_per_clock(const DeviceSpec& device) { return device.chip == "GA100" ? 128 : 256; }

TEST(BuiltInFigures, PeaksAreUnitsTimesClock) {
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    if (!device.hardware.empty()) continue;  // roofs of a chart, not of the card
    SCOPED_TRACE(device.id);
    const double clocks = device.sm_count * device.boost_clock_hz;
    ASSERT_GT(clocks, 0);
    EXPECT_NEAR(device.peak("f32")->flops / (clocks * f32_per_clock(device)), 1, 0.03);
    const double units = device.peak("bf16")->flops / (clocks * operations_per_clock(device));
    if (device.chip == "GH100" || device.chip == "GB100") {
      // Their tensor figures are given at a lower clock than the highest: 1.83 of 1.98 GHz.
      EXPECT_GT(units, 0.86);
      EXPECT_LT(units, 0.96);
    } else {
      EXPECT_NEAR(units, 1, 0.03);
    }
  }
}

TEST(BuiltInFigures, TypesStandInTheRatiosOfTheirWidths) {
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    SCOPED_TRACE(device.id);
    const double half = device.peak("bf16")->flops;
    EXPECT_EQ(device.peak("f16")->flops, half);
    if (!device.hardware.empty()) continue;
    const bool geforce =
        device.id == "rtx-3090" || device.id == "rtx-4090" || device.id == "rtx-5090";
    const std::map<std::string, double> expected = {
        {"tf32", 0.5}, {"fp8", 2}, {"int8", geforce ? 4 : 2}, {"fp4", geforce ? 8 : 4}};
    for (const auto& [dtype, ratio] : expected) {
      const Peak* peak = device.peak(dtype);
      if (peak != nullptr) {
        EXPECT_NEAR(peak->flops / half / ratio, 1, 0.03) << dtype;
      }
    }
  }
}

TEST(BuiltInFigures, BandwidthIsWidthTimesRate) {
  // Bits of the bus, and Gbit/s of one of its pins.
  const std::map<std::string, std::pair<double, double>> buses = {{"a6000", {384, 16}},
                                                                  {"a6000-paper", {384, 16}},
                                                                  {"a40", {384, 14.5}},
                                                                  {"a10", {384, 12.5}},
                                                                  {"rtx-a5000", {384, 16}},
                                                                  {"rtx-3090", {384, 19.5}},
                                                                  {"l4", {192, 12.5}},
                                                                  {"l40", {384, 18}},
                                                                  {"l40s", {384, 18}},
                                                                  {"rtx-4090", {384, 21}},
                                                                  {"rtx-6000-ada", {384, 20}},
                                                                  {"rtx-5000-ada", {256, 18}},
                                                                  {"rtx-5090", {512, 28}},
                                                                  {"rtx-pro-6000", {512, 28}},
                                                                  {"a30", {3072, 2.43}},
                                                                  {"a100-40gb-pcie", {5120, 2.43}},
                                                                  {"a100-40gb-sxm", {5120, 2.43}},
                                                                  {"a100-80gb-pcie", {5120, 3.024}},
                                                                  {"a100-80gb-sxm", {5120, 3.186}},
                                                                  {"h100-pcie", {5120, 3.2}},
                                                                  {"h100-sxm", {5120, 5.2}},
                                                                  {"h100-nvl", {6144, 5.1}},
                                                                  {"h200", {6144, 6.25}},
                                                                  {"h200-nvl", {6144, 6.25}},
                                                                  {"gh200-96gb", {6144, 5.2}},
                                                                  {"gh200-144gb", {6144, 6.4}},
                                                                  {"b200", {8192, 8}}};
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    SCOPED_TRACE(device.id);
    const auto bus = buses.find(device.id);
    ASSERT_NE(bus, buses.end()) << "name the bus of the new device here";
    const double expected = bus->second.first / 8 * bus->second.second * 1e9;
    EXPECT_NEAR(device.bandwidth / expected, 1, 0.03);
  }
}

}  // namespace
}  // namespace rooftop
