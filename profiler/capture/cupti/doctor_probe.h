// Asks a driver and a CUPTI, real or a test's, what they let us record.
#pragma once

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/doctor.h"

namespace rooftop::capture {

CuptiState probe(const CudaDriverLookup& driver, const CuptiLookup& cupti);

}  // namespace rooftop::capture
