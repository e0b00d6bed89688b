// The CUDA driver's functions that recording needs, found at run time.
#pragma once

#include <cuda.h>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"

namespace rooftop::capture {

#define ROOFTOP_DRIVER_FUNCTIONS(F)                         \
  F(cuInit, cuInit)                                         \
  F(cuDriverGetVersion, cuDriverGetVersion)                 \
  F(cuDeviceGetCount, cuDeviceGetCount)                     \
  F(cuDeviceGet, cuDeviceGet)                               \
  F(cuDeviceGetName, cuDeviceGetName)                       \
  F(cuDeviceGetAttribute, cuDeviceGetAttribute)             \
  F(cuDeviceTotalMem, cuDeviceTotalMem_v2)                  \
  F(cuDevicePrimaryCtxGetState, cuDevicePrimaryCtxGetState) \
  F(cuCtxGetCurrent, cuCtxGetCurrent)                       \
  F(cuCtxGetDevice, cuCtxGetDevice)                         \
  F(cuCtxPushCurrent, cuCtxPushCurrent_v2)                  \
  F(cuCtxPopCurrent, cuCtxPopCurrent_v2)                    \
  F(cuCtxSynchronize, cuCtxSynchronize)

// `name` as in cuda.h without its version, `symbol` as libcuda exports it.
struct CudaDriver {
#define ROOFTOP_MEMBER(name, symbol) decltype(&::symbol) name = nullptr;
  ROOFTOP_DRIVER_FUNCTIONS(ROOFTOP_MEMBER)
#undef ROOFTOP_MEMBER
};

struct CudaDriverLookup {
  const CudaDriver* driver = nullptr;  // null: `why` says so
  Status why;
};

// libcuda of this process; nothing is initialised. Looked up once.
const CudaDriverLookup& cuda_driver() noexcept;

// A device as META describes it. cuInit must have succeeded. `clock_hz` fields are the driver's
// maximum clocks; `table_id` is empty.
DeviceInfo describe_device(const CudaDriver& driver, CUdevice device);

}  // namespace rooftop::capture
