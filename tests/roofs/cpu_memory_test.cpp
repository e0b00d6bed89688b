#include "profiler/roofs/cpu_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kMiB = 1 << 20;

class SysfsTree : public ::testing::Test {
 protected:
  SysfsTree()
      : root_(fs::temp_directory_path() / ("rooftop_sysfs_test_" + std::to_string(getpid()))) {}
  ~SysfsTree() override { fs::remove_all(root_); }

  void cache(int cpu, int index, const std::string& level, const std::string& type,
             const std::string& size, const std::string& shared) {
    const fs::path folder =
        root_ / ("cpu" + std::to_string(cpu)) / "cache" / ("index" + std::to_string(index));
    fs::create_directories(folder);
    std::ofstream(folder / "level") << level << "\n";
    std::ofstream(folder / "type") << type << "\n";
    std::ofstream(folder / "size") << size << "\n";
    std::ofstream(folder / "shared_cpu_list") << shared << "\n";
  }
  fs::path root_;
};

TEST_F(SysfsTree, CountsEveryL3Once) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    cache(cpu, 0, "1", "Data", "32K", std::to_string(cpu));
    cache(cpu, 1, "1", "Instruction", "64K", std::to_string(cpu));
    cache(cpu, 2, "2", "Unified", "1024K", std::to_string(cpu));
    cache(cpu, 3, "3", "Unified", "32M", cpu < 2 ? "0-1" : "2-3");
  }
  fs::create_directories(root_ / "cpufreq");
  const CacheSizes sizes = read_cache_sizes(root_);
  EXPECT_EQ(sizes.l2_per_core, kMiB);
  EXPECT_EQ(sizes.l3_total, 64 * kMiB);
}

TEST_F(SysfsTree, WithoutCachesIsUnknown) {
  EXPECT_EQ(read_cache_sizes(root_ / "nowhere").l3_total, 0U);
  cache(0, 0, "", "", "", "");
  cache(0, 1, "3", "Unified", "many", "0");
  EXPECT_EQ(read_cache_sizes(root_).l2_per_core, 0U);
  EXPECT_EQ(read_cache_sizes(root_).l3_total, 0U);
}

TEST(DramBuffer, IsSeveralTimesTheL3WithinTheMemory) {
  const std::uint64_t plenty = 1ULL << 40;
  EXPECT_EQ(dram_buffer_bytes({0, 0}, plenty), 256 * kMiB);
  EXPECT_EQ(dram_buffer_bytes({kMiB, 32 * kMiB}, plenty), 256 * kMiB);
  EXPECT_EQ(dram_buffer_bytes({kMiB, 256 * kMiB}, plenty), 1024 * kMiB);
  EXPECT_EQ(dram_buffer_bytes({kMiB, 8192 * kMiB}, plenty), 4096 * kMiB);
  EXPECT_EQ(dram_buffer_bytes({kMiB, 256 * kMiB}, 800 * kMiB), 100 * kMiB);
  EXPECT_EQ(dram_buffer_bytes({kMiB, 256 * kMiB}, 0), 1024 * kMiB) << "unknown memory";
  EXPECT_EQ(dram_buffer_bytes({kMiB, 256 * kMiB}, 1), 64U << 10) << "never nothing";
  EXPECT_EQ(dram_buffer_bytes({kMiB, 256 * kMiB}, 123'456'789) % (64 << 10), 0U);
}

TEST(Memory, IsAvailable) { EXPECT_GT(available_memory(), 0U); }

TEST(Buffer, IsZeroAlignedAndRefusedWhereItCannotBe) {
  const Buffer buffer(100'000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096, 0U);
  for (std::uint64_t i = 0; i < buffer.size(); ++i) ASSERT_EQ(buffer.data()[i], std::byte{0});
  EXPECT_THROW(Buffer(1ULL << 60), InputError);
}

}  // namespace
}  // namespace rooftop
