// What CUDA and NVTX call. The library exports these two functions and nothing else.
#include "profiler/capture/injection_hook.h"
#include "profiler/plugin/plugin.h"

#define ROOFTOP_EXPORT extern "C" __attribute__((visibility("default")))

// By libcuda, in the first cuInit() of a process whose CUDA_INJECTION64_PATH names this library.
ROOFTOP_EXPORT int InitializeInjection() noexcept {
  rooftop::plugin::record_cuda();
  return 1;  // whatever became of us, CUDA shall go on
}

// By NVTX, once for every binary that uses it, where NVTX_INJECTION64_PATH names this library. With
// 0 the binary's NVTX calls do nothing from then on, at no cost.
ROOFTOP_EXPORT int InitializeInjectionNvtx2(
    rooftop::capture::InjectionExportTable get_export_table) noexcept {
  if (!rooftop::plugin::ensure_recording()) return 0;
  return rooftop::capture::initialize_injection(get_export_table);
}
