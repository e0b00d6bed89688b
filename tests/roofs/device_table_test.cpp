#include "profiler/roofline/device_table/device_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>

#include "profiler/core/error.h"
#include "profiler/roofline/device_table/builtin.h"

namespace rooftop {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kMine = R"(device {
  id: "my-gpu"
  display_name: "My GPU"
  aliases: "ACME Accelerator"
  bandwidth_bytes_per_s: 1e12
  bandwidth_source: "measured by me"
  peaks { dtype: "fp16" flops_per_s: 100e12 source: "data sheet" }
}
)";

std::string error_of(std::string_view text) {
  DeviceTable table = DeviceTable::built_in();
  const std::size_t before = table.devices().size();
  try {
    table.load_text(text, "my.textproto");
  } catch (const InputError& error) {
    EXPECT_EQ(table.devices().size(), before) << "a refused file must leave the table alone";
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

// `kMine` with one piece of text replaced by another.
std::string changed(std::string_view from, std::string_view to) {
  std::string text(kMine);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(BuiltInTable, HasTheDevicesOfTheDesign) {
  const DeviceTable table = DeviceTable::built_in();
  std::set<std::string> ids;
  for (const DeviceSpec& device : table.devices()) ids.insert(device.id);
  for (const char* id : {"a6000", "a6000-paper", "a40", "a100-80gb-pcie", "a100-80gb-sxm",
                         "h100-pcie", "h100-sxm", "h200", "l4", "l40s", "rtx-4090", "b200"}) {
    EXPECT_TRUE(ids.contains(id)) << id;
  }
}

TEST(BuiltInTable, HasThePublishedRoofs) {
  const DeviceTable table = DeviceTable::built_in();
  struct Row {
    const char* id;
    double gigabytes;
    double bf16_teraflops;
  };
  for (const Row& row :
       {Row{"a6000", 768, 154.8}, Row{"a6000-paper", 768, 181}, Row{"a40", 696, 149.7},
        Row{"a100-80gb-pcie", 1935, 312}, Row{"a100-80gb-sxm", 2039, 312},
        Row{"h100-sxm", 3350, 989}, Row{"h200", 4800, 989}}) {
    const DeviceSpec& device = table.require(row.id);
    EXPECT_DOUBLE_EQ(device.bandwidth, row.gigabytes * 1e9) << row.id;
    EXPECT_DOUBLE_EQ(device.peak("bf16")->flops, row.bf16_teraflops * 1e12) << row.id;
  }
}

TEST(BuiltInTable, EveryEntryIsCompleteAndPlausible) {
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    SCOPED_TRACE(device.id);
    EXPECT_THAT(device.display_name, Not(IsEmpty()));
    EXPECT_THAT(device.chip, Not(IsEmpty()));
    EXPECT_THAT(device.bandwidth_source, Not(IsEmpty()));
    EXPECT_GE(device.memory_bytes, 20ULL << 30);
    for (const char* dtype : {"bf16", "f16"}) {
      ASSERT_NE(device.peak(dtype), nullptr) << dtype;
      const double ridge = device.peak(dtype)->flops / device.bandwidth;
      EXPECT_GT(ridge, 10);
      EXPECT_LT(ridge, 1000);
    }
    EXPECT_GE(device.l2_bytes, 4ULL << 20);
    EXPECT_GE(device.sm_count, 50U);
    EXPECT_GT(device.boost_clock_hz, 1e9);
    EXPECT_THAT(device.specs_source, Not(IsEmpty()));
    for (const Peak& peak : device.peaks) EXPECT_THAT(peak.source, Not(IsEmpty())) << peak.dtype;
  }
}

// The tensor peaks double from tf32 to 16 bits to 8 bits on every chip of the table: a figure with
// sparsity beside a dense one would break it.
TEST(BuiltInTable, PeaksAreDenseAndConsistentAmongTypes) {
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    SCOPED_TRACE(device.id);
    const double bf16 = device.peak("bf16")->flops;
    EXPECT_EQ(device.peak("f16")->flops, bf16);
    if (const Peak* tf32 = device.peak("tf32")) {
      EXPECT_NEAR(bf16 / tf32->flops, 2, 0.05);
    }
    if (const Peak* fp8 = device.peak("fp8")) {
      EXPECT_NEAR(fp8->flops / bf16, 2, 0.05);
    }
    if (const Peak* fp4 = device.peak("fp4")) {
      // Cards for games halve the rate of 16-bit products that are summed in 32 bits.
      const bool halved = device.id.starts_with("rtx-50");
      EXPECT_NEAR(fp4->flops / bf16, halved ? 8 : 4, 0.05);
    }
    if (const Peak* f32 = device.peak("f32")) {
      EXPECT_LT(f32->flops, bf16);
    }
  }
}

// The same for tensor cores, whose rate at a clock is a power of two a multiprocessor. Datasheets
// round to clocks below the boost clock, never above it.
TEST(BuiltInTable, TensorPeaksAreWhatMultiprocessorsAndClockGive) {
  const DeviceTable table = DeviceTable::built_in();
  for (const DeviceSpec& device : table.devices()) {
    if (!device.hardware.empty()) continue;  // a published chart's figures
    const double each = device.peak("bf16")->flops / (device.sm_count * device.boost_clock_hz);
    const double rate = std::exp2(std::round(std::log2(each * 1.08)));
    EXPECT_GT(each / rate, 0.84) << device.id;
    EXPECT_LT(each / rate, 1.02) << device.id;
  }
}

TEST(BuiltInTable, AChartsFiguresNameTheHardware) {
  const DeviceTable table = DeviceTable::built_in();
  EXPECT_EQ(table.require("a6000-paper").hardware, "a6000");
  for (const DeviceSpec& device : table.devices()) {
    if (device.hardware.empty()) continue;
    EXPECT_NE(table.find(device.hardware), nullptr) << device.id;
  }
}

// A roof is lanes x clock: an independent check of the figures that the entries hold.
TEST(BuiltInTable, Fp32PeaksAreTwoFlopPerCudaCoreAndClock) {
  const DeviceTable table = DeviceTable::built_in();
  const std::map<std::string, int> cores_per_sm = {{"GA100", 64},  {"GA102", 128}, {"GH100", 128},
                                                   {"AD102", 128}, {"AD104", 128}, {"GB100", 128},
                                                   {"GB202", 128}};
  int checked = 0;
  for (const DeviceSpec& device : table.devices()) {
    const Peak* f32 = device.peak("f32");
    if (f32 == nullptr || device.boost_clock_hz == 0) continue;
    const double expected =
        2.0 * cores_per_sm.at(device.chip) * device.sm_count * device.boost_clock_hz;
    EXPECT_NEAR(f32->flops / expected, 1, 0.01) << device.id;
    ++checked;
  }
  EXPECT_EQ(checked, static_cast<int>(table.devices().size()) - 1) << "all but a6000-paper";
}

// The table in docs/roofs.md is this one.
TEST(BuiltInTable, IsWhatTheDocumentationSays) {
  const DeviceTable table = DeviceTable::built_in();
  std::ifstream file(std::string(ROOFTOP_TEST_DATA) + "/../docs/roofs.md");
  ASSERT_TRUE(file);
  const std::regex row(R"(\| `([a-z0-9-]+)` \| ([0-9.]+) \| ([0-9.]+) \| ([0-9]+) \|)");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    SCOPED_TRACE(line);
    const DeviceSpec& device = table.require(match[1].str());
    const double bf16 = device.peak("bf16")->flops;
    EXPECT_DOUBLE_EQ(device.bandwidth, std::stod(match[2].str()) * 1e9);
    EXPECT_DOUBLE_EQ(bf16, std::stod(match[3].str()) * 1e12);
    EXPECT_NEAR(bf16 / device.bandwidth, std::stod(match[4].str()), 0.5);
    ++rows;
  }
  EXPECT_EQ(rows, table.devices().size());
}

TEST(BuiltInTable, FindsNamesAsDriversPrintThem) {
  const DeviceTable table = DeviceTable::built_in();
  const std::map<std::string, std::string> id_of = {
      {"NVIDIA RTX A6000", "a6000"},
      {"RTX A6000", "a6000"},
      {"A6000", "a6000"},
      {"NVIDIA A100 80GB PCIe", "a100-80gb-pcie"},
      {"NVIDIA A100-SXM4-80GB", "a100-80gb-sxm"},
      {"nvidia a100_sxm4_80gb", "a100-80gb-sxm"},
      {"NVIDIA H100 80GB HBM3", "h100-sxm"},
      {"NVIDIA H100 PCIe", "h100-pcie"},
      {"NVIDIA H200", "h200"},
      {"NVIDIA L4", "l4"},
      {"NVIDIA L40S", "l40s"},
      {"NVIDIA GeForce RTX 4090", "rtx-4090"},
      {"GeForce RTX 4090", "rtx-4090"},
      {"RTX 4090", "rtx-4090"},
      {"NVIDIA B200", "b200"},
      {" h200 ", "h200"},
  };
  for (const auto& [name, id] : id_of) {
    const DeviceSpec* device = table.find(name);
    EXPECT_EQ(device == nullptr ? "" : device->id, id) << name;
  }
}

TEST(BuiltInTable, GuessesNothing) {
  const DeviceTable table = DeviceTable::built_in();
  for (const char* name :
       {"", "NVIDIA", "h100", "a100", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "RTX 4090 D", "-"}) {
    const DeviceSpec* device = table.find(name);
    EXPECT_EQ(device, nullptr) << name << " -> " << device->id;
  }
}

TEST(BuiltInTable, SuggestsTheNearest) {
  const DeviceTable table = DeviceTable::built_in();
  EXPECT_THAT(table.suggest("h100"), ElementsAre("h100-nvl", "h100-pcie", "h100-sxm"));
  EXPECT_THAT(table.suggest("a100-80gb"), ElementsAre("a100-80gb-pcie", "a100-80gb-sxm"));
  EXPECT_THAT(table.suggest("4090"), Contains("rtx-4090"));
  EXPECT_THAT(table.suggest("a600"), Contains("a6000"));
  EXPECT_THAT(table.suggest("completely different"), IsEmpty());
  EXPECT_THAT(table.suggest(std::string(100'000, 'x')), IsEmpty());
  try {
    (void)table.require("h100");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "unknown device 'h100'; did you mean h100-nvl or h100-pcie or h100-sxm?");
  }
  try {
    (void)table.require("mi300x-oam-accelerator");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("known are"), HasSubstr("a6000-paper")));
  }
}

TEST(UserFile, AddsADevice) {
  DeviceTable table = DeviceTable::built_in();
  table.load_text(kMine, "my.textproto");
  const DeviceSpec* device = table.find("acme accelerator");
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->id, "my-gpu");
  ASSERT_NE(device->peak("f16"), nullptr);
  EXPECT_EQ(device->peak("fp16"), device->peak("f16"));
  EXPECT_EQ(device->peak("f16")->flops, 100e12);
  EXPECT_EQ(device->peak("bf16"), nullptr);
  EXPECT_NE(table.find("a6000"), nullptr);
}

TEST(UserFile, ReplacesADeviceWhole) {
  DeviceTable table = DeviceTable::built_in();
  const std::size_t before = table.devices().size();
  table.load_text(changed("my-gpu", "a6000"), "my.textproto");
  EXPECT_EQ(table.devices().size(), before);
  EXPECT_EQ(table.require("a6000").bandwidth, 1e12);
  EXPECT_EQ(table.find("NVIDIA RTX A6000"), nullptr) << "the alias went with the old entry";
}

TEST(UserFile, TakesAnAliasOver) {
  DeviceTable table = DeviceTable::built_in();
  table.load_text(changed("ACME Accelerator", "NVIDIA RTX A6000"), "my.textproto");
  EXPECT_EQ(table.require("NVIDIA RTX A6000").id, "my-gpu");
  EXPECT_EQ(table.require("a6000").id, "a6000");
}

TEST(UserFile, BuiltInTextLoadsOverItself) {
  DeviceTable table = DeviceTable::built_in();
  const std::size_t before = table.devices().size();
  table.load_text(kBuiltinDeviceTable, "again");
  EXPECT_EQ(table.devices().size(), before);
}

TEST(UserFile, ErrorsNameFileLineAndRemedy) {
  EXPECT_THAT(error_of("device {\n  id \"x\"\n}\n"), StartsWith("my.textproto:2:"));
  EXPECT_THAT(error_of("device {\n  id: \"x\"\n  bandwith: 3\n}\n"),
              AllOf(StartsWith("my.textproto:3:"), HasSubstr("bandwith")));
  EXPECT_THAT(error_of(changed("1e12", "-1")),
              AllOf(StartsWith("my.textproto:5:"), HasSubstr("my-gpu"), HasSubstr("768e9")));
  EXPECT_THAT(error_of(changed("1e12", "nan")), StartsWith("my.textproto:5:"));
  EXPECT_THAT(error_of(changed("1e12", "inf")), StartsWith("my.textproto:5:"));
  EXPECT_THAT(error_of(changed("  bandwidth_bytes_per_s: 1e12\n", "")),
              StartsWith("my.textproto:1: device 'my-gpu' needs bandwidth_bytes_per_s"));
  EXPECT_THAT(error_of(changed("measured by me", "")), HasSubstr("bandwidth_source"));
  EXPECT_THAT(error_of(changed("\"fp16\"", "\"fp17\"")),
              AllOf(StartsWith("my.textproto:7:"), HasSubstr("'fp17'"), HasSubstr("bf16")));
  EXPECT_THAT(error_of(changed("100e12", "0")), StartsWith("my.textproto:7:"));
  EXPECT_THAT(error_of(changed("data sheet", "")), HasSubstr("source"));
  EXPECT_THAT(error_of(changed("\"my-gpu\"", "\"My GPU\"")), StartsWith("my.textproto:2:"));
  EXPECT_THAT(error_of(changed("\"my-gpu\"", "\"nvidia-gpu\"")), StartsWith("my.textproto:2:"));
  EXPECT_THAT(error_of(changed("\"my-gpu\"", "\"\"")), HasSubstr("has no id"));
  EXPECT_THAT(error_of(changed("\"My GPU\"", "\"\"")), HasSubstr("display_name"));
  EXPECT_THAT(error_of(changed("\"ACME Accelerator\"", "\" \"")), HasSubstr("empty alias"));
  EXPECT_THAT(error_of(changed("\"ACME Accelerator\"", "\"NVIDIA A40\"")),
              AllOf(StartsWith("my.textproto:1:"), HasSubstr("'a40'"), HasSubstr("replace")));
  EXPECT_THAT(error_of(changed("\"ACME Accelerator\"", "\"l40s\"")),
              AllOf(HasSubstr("my-gpu"), HasSubstr("'l40s'")));
  EXPECT_THAT(error_of(std::string(kMine) + std::string(kMine)),
              AllOf(StartsWith("my.textproto:10:"), HasSubstr("'my-gpu'")));
  EXPECT_THAT(
      error_of(changed("}\n}", "} peaks { dtype: \"f16\" flops_per_s: 1 source: \"s\" }\n}")),
      AllOf(StartsWith("my.textproto:7:"), HasSubstr("twice")));
  EXPECT_THAT(error_of(""), HasSubstr("no device"));
  EXPECT_THAT(error_of("# only a remark\n"), HasSubstr("no device"));
  EXPECT_THAT(error_of(std::string("\0\1\2", 3)), HasSubstr("not a text file"));
  EXPECT_THAT(error_of("\x7f"
                       "ELF"),
              StartsWith("my.textproto"));
  EXPECT_THAT(error_of(std::string(5U << 20, '#')), HasSubstr("at most"));
  std::string deep = "device { ";
  for (int i = 0; i < 100'000; ++i) deep += "peaks { ";
  EXPECT_THAT(error_of(deep), StartsWith("my.textproto:1:"));
}

TEST(UserFile, IsReadFromDisk) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("rooftop_device_table_test_" + std::to_string(getpid()) + ".textproto");
  std::ofstream(path) << kMine;
  DeviceTable table = DeviceTable::built_in();
  table.load_user_file(path.string());
  EXPECT_NE(table.find("my-gpu"), nullptr);
  std::filesystem::remove(path);
  EXPECT_THROW(table.load_user_file(path.string()), InputError);
  EXPECT_THROW(table.load_user_file("/"), InputError);
  EXPECT_THROW(table.load_user_file("/dev/zero"), InputError);
}

// Random damage to real text: either it still is a table, or one InputError says what is wrong.
TEST(UserFile, SurvivesRandomDamage) {
  std::mt19937 random(20240607);
  const std::string original(kBuiltinDeviceTable.substr(0, 4000));
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    std::string text = original;
    for (int edits = 1 + static_cast<int>(random() % 4); edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(at, random() % 40);
          break;
        case 2:
          text.insert(at, text.substr(random() % text.size(), random() % 60));
          break;
        default:
          text.resize(at + 1);
      }
    }
    refused += error_of(text).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 250);
}

}  // namespace
}  // namespace rooftop
