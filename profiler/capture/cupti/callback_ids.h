// The calls that put work on a GPU: each is told to us as it is entered, so that the work's scope
// is known.
#pragma once

#include <array>

#include "profiler/capture/cupti/cupti_api.h"

namespace rooftop::capture {

struct WatchedCall {
  CUpti_CallbackDomain domain;
  CUpti_CallbackId id;
};

#define ROOFTOP_DRIVER(name) \
  WatchedCall { CUPTI_CB_DOMAIN_DRIVER_API, CUPTI_DRIVER_TRACE_CBID_##name }
#define ROOFTOP_RUNTIME(name) \
  WatchedCall { CUPTI_CB_DOMAIN_RUNTIME_API, CUPTI_RUNTIME_TRACE_CBID_##name }

// Without these a kernel's scope is not known at all.
inline constexpr std::array kLaunches{
    ROOFTOP_DRIVER(cuLaunchKernel),   ROOFTOP_DRIVER(cuLaunchKernel_ptsz),
    ROOFTOP_DRIVER(cuLaunchKernelEx), ROOFTOP_DRIVER(cuLaunchKernelEx_ptsz),
    ROOFTOP_DRIVER(cuGraphLaunch),    ROOFTOP_DRIVER(cuGraphLaunch_ptsz),
};

// A kernel's correlation id is that of "the driver or runtime API" call, as documented: the
// runtime's launches are watched, too. Copies and memsets name the driver's call. Not every library
// knows every call: one that it refuses is left out.
inline constexpr std::array kOtherCalls{
    ROOFTOP_DRIVER(cuLaunchCooperativeKernel),
    ROOFTOP_DRIVER(cuLaunchCooperativeKernel_ptsz),
    ROOFTOP_DRIVER(cuLaunchCooperativeKernelMultiDevice),
    ROOFTOP_DRIVER(cuLaunch),
    ROOFTOP_DRIVER(cuLaunchGrid),
    ROOFTOP_DRIVER(cuLaunchGridAsync),
    ROOFTOP_RUNTIME(cudaLaunchKernel_v7000),
    ROOFTOP_RUNTIME(cudaLaunchKernel_ptsz_v7000),
    ROOFTOP_RUNTIME(cudaLaunchKernelExC_v11060),
    ROOFTOP_RUNTIME(cudaLaunchKernelExC_ptsz_v11060),
    ROOFTOP_RUNTIME(cudaLaunchCooperativeKernel_v9000),
    ROOFTOP_RUNTIME(cudaLaunchCooperativeKernel_ptsz_v9000),
    ROOFTOP_RUNTIME(cudaLaunchCooperativeKernelMultiDevice_v9000),
    ROOFTOP_RUNTIME(cudaGraphLaunch_v10000),
    ROOFTOP_RUNTIME(cudaGraphLaunch_ptsz_v10000),
    ROOFTOP_RUNTIME(__cudaLaunchKernel_v13000),
    ROOFTOP_RUNTIME(__cudaLaunchKernel_ptsz_v13000),
    // Copies: those that wait, those that do not, and both with per-thread default streams.
    ROOFTOP_DRIVER(cuMemcpy),
    ROOFTOP_DRIVER(cuMemcpyPeer),
    ROOFTOP_DRIVER(cuMemcpyHtoD_v2),
    ROOFTOP_DRIVER(cuMemcpyDtoH_v2),
    ROOFTOP_DRIVER(cuMemcpyDtoD_v2),
    ROOFTOP_DRIVER(cuMemcpy2D_v2),
    ROOFTOP_DRIVER(cuMemcpy2DUnaligned_v2),
    ROOFTOP_DRIVER(cuMemcpy3D_v2),
    ROOFTOP_DRIVER(cuMemcpy3DPeer),
    ROOFTOP_DRIVER(cuMemcpy_ptds),
    ROOFTOP_DRIVER(cuMemcpyPeer_ptds),
    ROOFTOP_DRIVER(cuMemcpyHtoD_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpyDtoH_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpyDtoD_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpy2D_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpy2DUnaligned_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpy3D_v2_ptds),
    ROOFTOP_DRIVER(cuMemcpy3DPeer_ptds),
    ROOFTOP_DRIVER(cuMemcpyAsync),
    ROOFTOP_DRIVER(cuMemcpyPeerAsync),
    ROOFTOP_DRIVER(cuMemcpyHtoDAsync_v2),
    ROOFTOP_DRIVER(cuMemcpyDtoHAsync_v2),
    ROOFTOP_DRIVER(cuMemcpyDtoDAsync_v2),
    ROOFTOP_DRIVER(cuMemcpy2DAsync_v2),
    ROOFTOP_DRIVER(cuMemcpy3DAsync_v2),
    ROOFTOP_DRIVER(cuMemcpy3DPeerAsync),
    ROOFTOP_DRIVER(cuMemcpyAsync_ptsz),
    ROOFTOP_DRIVER(cuMemcpyPeerAsync_ptsz),
    ROOFTOP_DRIVER(cuMemcpyHtoDAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpyDtoHAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpyDtoDAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpy2DAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpy3DAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpy3DPeerAsync_ptsz),
    ROOFTOP_DRIVER(cuMemcpyBatchAsync),
    ROOFTOP_DRIVER(cuMemcpyBatchAsync_ptsz),
    ROOFTOP_DRIVER(cuMemcpyBatchAsync_v2),
    ROOFTOP_DRIVER(cuMemcpyBatchAsync_v2_ptsz),
    ROOFTOP_DRIVER(cuMemcpy3DBatchAsync),
    ROOFTOP_DRIVER(cuMemcpy3DBatchAsync_ptsz),
    ROOFTOP_DRIVER(cuMemcpy3DBatchAsync_v2),
    ROOFTOP_DRIVER(cuMemcpy3DBatchAsync_v2_ptsz),
    // Memsets likewise.
    ROOFTOP_DRIVER(cuMemsetD8_v2),
    ROOFTOP_DRIVER(cuMemsetD16_v2),
    ROOFTOP_DRIVER(cuMemsetD32_v2),
    ROOFTOP_DRIVER(cuMemsetD2D8_v2),
    ROOFTOP_DRIVER(cuMemsetD2D16_v2),
    ROOFTOP_DRIVER(cuMemsetD2D32_v2),
    ROOFTOP_DRIVER(cuMemsetD8_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD16_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD32_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD2D8_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD2D16_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD2D32_v2_ptds),
    ROOFTOP_DRIVER(cuMemsetD8Async),
    ROOFTOP_DRIVER(cuMemsetD16Async),
    ROOFTOP_DRIVER(cuMemsetD32Async),
    ROOFTOP_DRIVER(cuMemsetD2D8Async),
    ROOFTOP_DRIVER(cuMemsetD2D16Async),
    ROOFTOP_DRIVER(cuMemsetD2D32Async),
    ROOFTOP_DRIVER(cuMemsetD8Async_ptsz),
    ROOFTOP_DRIVER(cuMemsetD16Async_ptsz),
    ROOFTOP_DRIVER(cuMemsetD32Async_ptsz),
    ROOFTOP_DRIVER(cuMemsetD2D8Async_ptsz),
    ROOFTOP_DRIVER(cuMemsetD2D16Async_ptsz),
    ROOFTOP_DRIVER(cuMemsetD2D32Async_ptsz),
};

#undef ROOFTOP_DRIVER
#undef ROOFTOP_RUNTIME

// What tells the nodes of graphs. Without the first two a graph's kernels are known by their launch
// only.
inline constexpr std::array kGraphEvents{
    WatchedCall{CUPTI_CB_DOMAIN_RESOURCE, CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED},
    WatchedCall{CUPTI_CB_DOMAIN_RESOURCE, CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED},
    WatchedCall{CUPTI_CB_DOMAIN_RESOURCE, CUPTI_CBID_RESOURCE_GRAPHNODE_DESTROY_STARTING},
};

// CUPTI ends itself after it, so that nothing more may be asked of it.
inline constexpr WatchedCall kFatalError{CUPTI_CB_DOMAIN_STATE, CUPTI_CBID_STATE_FATAL_ERROR};

}  // namespace rooftop::capture
