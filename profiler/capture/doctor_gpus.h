// What this process's driver and CUPTI tell of the machine's GPUs. In every build: one that was
// made without CUPTI's headers says so.
#pragma once

#include "profiler/capture/doctor.h"

namespace rooftop::capture {

CuptiState look_at_gpus();

}  // namespace rooftop::capture
