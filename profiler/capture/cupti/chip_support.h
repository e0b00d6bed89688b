// Whether a device lets its counters be read at all, and whether doing so could hang the process.
#pragma once

#include <cstdint>
#include <string>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/core/error.h"

namespace rooftop::capture {

// The device's own answer: virtual GPUs, confidential computing and the like say no.
Status profiling_supported(const CuptiApi& api, CUdevice device, CUpti_Profiler_API what);

// Fails where several devices are in use: launches that are serialised may wait for each other for
// ever.
Status may_serialise(const CudaDriver& driver);

// A communication library of this process; empty: none. Its presence alone says nothing: PyTorch
// loads one for a single device, too.
std::string communication_library();

// The sentence of such a refusal, `because` a clause.
Status serialisation_refused(const std::string& because);

}  // namespace rooftop::capture
