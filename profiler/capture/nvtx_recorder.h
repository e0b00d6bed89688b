// Opening and closing of scopes on an engine's thread: what NVTX's functions come down to.
#pragma once

#include <cstdint>

#include "profiler/capture/nvtx_names.h"
#include "profiler/capture/nvtx_scopes.h"

namespace rooftop::capture {

// A range that is to be opened. `payload`: one of our schemas, or null.
struct RangeStart {
  nvtxDomainHandle_t domain = nullptr;
  NvtxMessage message;
  const nvtxPayloadData_t* payload = nullptr;
};

// Each returns the range's level within its domain on this thread, counted from 0, or a negative
// number.
int open_range(const RangeStart& range) noexcept;
int close_range(nvtxDomainHandle_t domain) noexcept;

// A mark: a description of the model is kept.
void mark(const RangeStart& range) noexcept;

void skip_range() noexcept;  // one that cannot be recorded

// This binary's ranges arrive.
void set_reached() noexcept;

}  // namespace rooftop::capture
