// Measured roofs of the CPU: what its memory and its arithmetic units really give.
//
// Kinds (MeasuredRoof::kind):
//   dram_read, dram_write, dram_copy   byte/s; a copy counts the bytes read and the bytes written
//   l2_read, l3_read                   byte/s over all threads, working sets half of a cache
//   compute, of f32 and bf16           FLOP/s, the larger of a loop in registers and oneDNN's best
//                                      product
// A kind that this machine does not have is absent.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "profiler/roofs/roof_measurement.h"

namespace rooftop {

struct CpuRoofOptions {
  int threads = 0;     // 0: all usable cores
  double seconds = 5;  // for everything together; passes are never cut short, so it may take longer
  // Called before each measurement with its name and the share of the time that is over, 0 to 1.
  std::function<void(std::string_view what, double done)> progress;
};

// Throws InputError for impossible options, and where the memory for the buffers is not there.
std::vector<RoofMeasurement> measure_cpu_roofs(const CpuRoofOptions& options);

// The number of threads that the options stand for; throws InputError for impossible ones.
int thread_count(const CpuRoofOptions& options);

}  // namespace rooftop
