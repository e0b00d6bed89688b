// What an engine said through NVTX, as records of a trace.
#pragma once

#include "profiler/capture/nvtx_scopes.h"
#include "profiler/core/meta.h"
#include "profiler/core/records.h"

namespace rooftop::capture {

// A step, an operator, or another tool's range (whose `args` is still to be set).
ScopeRecord to_scope(const ScopeEvent& event, StringId name);

// An operator that ran on the CPU within its scope, as a launch.
KernelRecord to_kernel(const ScopeRecord& scope, KernelId id);

// A description of the model.
Meta to_meta(const ScopeEvent& event);

}  // namespace rooftop::capture
