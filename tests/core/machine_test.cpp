#include "profiler/core/machine.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "profiler/core/time.h"

namespace rooftop {
namespace {

TEST(Machine, DescribesWhatEveryLinuxMachineHas) {
  const Meta meta = describe_machine();
  EXPECT_FALSE(meta.cpu_name.empty());
  EXPECT_GE(meta.cpu_cores, 1U);
  EXPECT_GT(meta.memory_bytes, 1ULL << 28);
  EXPECT_NE(meta.os.find("Linux"), std::string::npos);
  const DeviceInfo cpu = describe_cpu();
  EXPECT_EQ(cpu.kind, DeviceKind::kCpu);
  EXPECT_EQ(cpu.name, meta.cpu_name);
}

TEST(Machine, CoresFollowTheAffinityMask) {
  std::uint32_t seen = 0;
  std::thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &set);
    if (sched_setaffinity(0, sizeof set, &set) == 0) seen = usable_cores();
  }).join();
  EXPECT_EQ(seen, 1U);
}

TEST(Time, NowIsTheEpochClockAndNeverGoesBack) {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  const Timestamp first = now();
  EXPECT_NEAR(static_cast<double>(first.ns) * 1e-9, static_cast<double>(wall.tv_sec), 5.0);
  Timestamp last = first;
  for (int i = 0; i < 10000; ++i) {
    const Timestamp next = now();
    ASSERT_GE(next, last);
    last = next;
  }
}

}  // namespace
}  // namespace rooftop
