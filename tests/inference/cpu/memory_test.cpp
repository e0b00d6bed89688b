#include "inference/cpu/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <new>

namespace rooftop::inference::cpu {
namespace {

namespace fs = std::filesystem;

// A folder that looks like / to available_memory().
class FakeMachine : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() /
            ("rooftop_memory_" +
             std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(root_);
    write("proc/meminfo", "MemTotal:       16000 kB\nMemAvailable:   8000 kB\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  [[nodiscard]] std::uint64_t available() const { return available_memory(root_.string() + "/"); }

 private:
  fs::path root_;
};

TEST_F(FakeMachine, WithoutGroupsTheSystemDecides) { EXPECT_EQ(available(), 8000U * 1024); }

TEST_F(FakeMachine, UnlimitedGroupsChangeNothing) {
  write("proc/self/cgroup", "0::/user.slice\n");
  write("sys/fs/cgroup/user.slice/memory.max", "max\n");
  write("sys/fs/cgroup/user.slice/memory.current", "1000\n");
  EXPECT_EQ(available(), 8000U * 1024);
}

TEST_F(FakeMachine, DroppableCacheDoesNotCountAsUsed) {
  write("proc/self/cgroup", "0::/job\n");
  write("sys/fs/cgroup/job/memory.max", "1000000\n");
  write("sys/fs/cgroup/job/memory.current", "900000\n");
  EXPECT_EQ(available(), 100'000U);
  write("sys/fs/cgroup/job/memory.stat", "anon 200000\ninactive_file 700000\nactive_file 5\n");
  EXPECT_EQ(available(), 800'000U);
}

TEST_F(FakeMachine, ALimitFurtherUpHoldsToo) {
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/memory.max", "5000\n");
  write("sys/fs/cgroup/outer/memory.current", "4000\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(available(), 1000U);
}

TEST_F(FakeMachine, VersionOneIsReadAlike) {
  write("proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory:/docker/abc\n");
  // Inside a container the group's own folder is the mount's root.
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "700000\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "200000\n");
  EXPECT_EQ(available(), 500'000U);
}

TEST_F(FakeMachine, MoreUsedThanAllowedLeavesNothing) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "1000\n");
  write("sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(available(), 0U);
}

TEST_F(FakeMachine, NonsenseIsIgnored) {
  write("proc/meminfo", "MemAvailable: lots\n");
  write("proc/self/cgroup", "garbage\n:\n0::relative\n");
  EXPECT_EQ(available(), std::numeric_limits<std::uint64_t>::max());
}

TEST(Memory, ThisMachineHasSome) {
  EXPECT_GT(available_memory(), 1U << 20);
  EXPECT_LT(available_memory(), std::uint64_t{1} << 50);
}

TEST(Buffer, IsZeroedAlignedAndMovable) {
  Buffer a(100'000);
  ASSERT_NE(a.data(), nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0U);
  for (std::size_t i = 0; i < a.size(); i += 999) EXPECT_EQ(a.data()[i], std::byte{0});
  std::byte* const place = a.data();
  Buffer b = std::move(a);
  EXPECT_EQ(b.data(), place);
  b = Buffer(10);
  EXPECT_EQ(b.size(), 10U);
  EXPECT_EQ(Buffer(0).data(), nullptr);
  EXPECT_THROW(Buffer(std::numeric_limits<std::size_t>::max() / 2), std::bad_alloc);
}

}  // namespace
}  // namespace rooftop::inference::cpu
