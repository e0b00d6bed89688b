// Facts of this machine for a trace's META: read from /proc and the scheduler, never guessed; 0 or
// empty where unknown.
#pragma once

#include <cstdint>

#include "profiler/core/meta.h"

namespace rooftop {

// Cores that this process may use: its affinity mask, bounded by a cgroup's CPU quota.
std::uint32_t usable_cores();

// A Meta with processor, cores, memory and operating system filled in.
Meta describe_machine();

// The CPU as a device: name, usable cores, memory, clock now, widest instruction set in `driver`.
DeviceInfo describe_cpu();

}  // namespace rooftop
