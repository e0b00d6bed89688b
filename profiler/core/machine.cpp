#include "profiler/core/machine.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace rooftop {
namespace {

// Value of the first "key : value" line of /proc/cpuinfo.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t:", key.size());
    return value == std::string::npos ? std::string() : line.substr(value);
  }
  return {};
}

// CPU quota of the cgroup (v2) in cores; 0 where there is none.
double cgroup_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::strtod(quota.c_str(), nullptr) / period;
}

std::string instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16")) return "AVX-512 BF16";
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2 FMA";
  return "x86-64";
#else
  return {};
#endif
}

std::uint64_t memory_bytes() {
  struct sysinfo info {};
  return sysinfo(&info) == 0 ? static_cast<std::uint64_t>(info.totalram) * info.mem_unit : 0;
}

std::string cpu_name() {
  const std::string name = cpuinfo("model name");
  return name.empty() ? "unknown processor" : name;
}

}  // namespace

std::uint32_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const double quota = cgroup_cores(); quota > 0) {
    cores = std::min(cores, static_cast<int>(std::ceil(quota)));
  }
  return static_cast<std::uint32_t>(std::max(cores, 1));
}

Meta describe_machine() {
  Meta meta;
  meta.cpu_name = cpu_name();
  meta.cpu_cores = usable_cores();
  meta.memory_bytes = memory_bytes();
  utsname system{};
  if (uname(&system) == 0) meta.os = std::string(system.sysname) + " " + system.release;
  return meta;
}

DeviceInfo describe_cpu() {
  DeviceInfo cpu;
  cpu.kind = DeviceKind::kCpu;
  cpu.name = cpu_name();
  cpu.multiprocessors = usable_cores();
  cpu.memory_bytes = memory_bytes();
  cpu.clock_hz = std::strtod(cpuinfo("cpu MHz").c_str(), nullptr) * 1e6;
  cpu.driver = instruction_set();
  return cpu;
}

}  // namespace rooftop
