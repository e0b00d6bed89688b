// The plugin in its process: one recording, from the first sign of NVTX or CUDA to the process's
// end.
#pragma once

namespace rooftop::plugin {

// Whether this process is recorded. The first call starts it; on a failure the plugin says why,
// once, and stays off.
bool ensure_recording() noexcept;

// CUDA is being initialised (the caller is in cuInit()): starts what records the GPU. In a forked
// child it starts a recording of the child's own: one that uses CUDA itself is a worker.
void record_cuda() noexcept;

}  // namespace rooftop::plugin
