// The figures of one launch: what was counted, and what the closed forms say.
#pragma once

#include "profiler/classify/step_table.h"
#include "profiler/core/meta.h"
#include "profiler/core/provenance.h"
#include "profiler/roofline/launch_stream.h"

namespace rooftop {

struct LaunchFigures {
  Figure model_flops;
  Figure model_read_bytes;
  Figure model_written_bytes;
  Figure hardware_flops;
  Figure dram_read_bytes;  // counted where counters were read, else the model's
  Figure dram_written_bytes;
  Figure dram_total;  // counted as one: the two above are then absent
  Figure l2_bytes;

  [[nodiscard]] Figure model_bytes() const;
  [[nodiscard]] Figure dram_bytes() const;
};

LaunchFigures figures_of(const Launch& launch, const Meta& meta, const StepTable& steps);

}  // namespace rooftop
