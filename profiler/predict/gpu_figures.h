// What the performance model needs to know of a GPU.
#pragma once

namespace rooftop::predict {

struct GpuFigures {
  double bandwidth = 0;  // byte/s of DRAM, datasheet
  double peak = 0;       // FLOP/s of the compute type, dense, datasheet
  double sm_count = 1;   // 1 where unknown: no quantisation into waves then
  double l2_bytes = 0;   // 0 where unknown: no reuse then
};

}  // namespace rooftop::predict
