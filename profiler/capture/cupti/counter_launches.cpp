#include "profiler/capture/cupti/counter_launches.h"

#include <exception>
#include <mutex>
#include <thread>

#include "profiler/capture/cupti/obstacle.h"
#include "profiler/capture/nvtx_scopes.h"

namespace rooftop::capture {
namespace {

constexpr std::array kKernelLaunches{
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel,
    CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel_ptsz,
};
constexpr std::array kGraphLaunches{
    CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch,
    CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch_ptsz,
};

struct Heard {
  std::mutex mutex;
  bool listening = false;
  CUcontext context = nullptr;
  HeardLaunches launches;
  std::thread::id thread;  // of the first launch
};

// Never destroyed: engine threads may be in a callback while the process ends.
Heard& heard() noexcept {
  static auto* instance = new Heard;
  return *instance;
}

template <class Parameters>
void take_shape(const Parameters& p, CountedLaunch& launch) {
  launch.grid = {p.gridDimX, p.gridDimY, p.gridDimZ};
  launch.block = {p.blockDimX, p.blockDimY, p.blockDimZ};
  launch.dynamic_shared_bytes = p.sharedMemBytes;
}

CountedLaunch describe(CUpti_CallbackId id, const CUpti_CallbackData& call) {
  CountedLaunch launch;
  launch.when = now();
  launch.name = call.symbolName == nullptr ? "" : call.symbolName;
  launch.correlation = call.correlationId;
  launch.scope = current_scope();
  launch.op = current_operator();
  switch (id) {
    case CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx:
    case CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx_ptsz:
      if (const CUlaunchConfig* config =
              static_cast<const cuLaunchKernelEx_params*>(call.functionParams)->config)
        take_shape(*config, launch);
      break;
    case CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel:
    case CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel_ptsz:
      take_shape(*static_cast<const cuLaunchCooperativeKernel_params*>(call.functionParams),
                 launch);
      break;
    default:
      take_shape(*static_cast<const cuLaunchKernel_params*>(call.functionParams), launch);
  }
  return launch;
}

// On the engine's thread, as the launch returns: one that failed has no range.
void CUPTIAPI on_launch(void* /*context*/, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                        const void* data) noexcept {
  if (domain != CUPTI_CB_DOMAIN_DRIVER_API || data == nullptr) return;
  const auto& call = *static_cast<const CUpti_CallbackData*>(data);
  if (call.callbackSite != CUPTI_API_EXIT || call.functionParams == nullptr) return;
  if (call.functionReturnValue != nullptr &&
      *static_cast<const CUresult*>(call.functionReturnValue) != CUDA_SUCCESS)
    return;
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  if (!h.listening) return;
  if (call.context != nullptr && call.context != h.context) {
    ++h.launches.elsewhere;
  } else if (id == CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch ||
             id == CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch_ptsz) {
    ++h.launches.graphs;
  } else {
    const std::thread::id thread = std::this_thread::get_id();
    if (h.launches.launches.empty()) h.thread = thread;
    h.launches.several_threads |= h.thread != thread;
    try {
      h.launches.launches.push_back(describe(id, call));
    } catch (const std::exception&) {
      h.launches.lost = true;
    }
  }
}

}  // namespace

Status LaunchListener::subscribe() {
  if (const CUptiResult code = api_.cuptiSubscribe(&handle_, on_launch, nullptr);
      code != CUPTI_SUCCESS) {
    handle_ = nullptr;
    return refused(api_, code, "cuptiSubscribe");
  }
  const auto enable = [&](CUpti_CallbackId id) {
    return api_.cuptiEnableCallback(1, handle_, CUPTI_CB_DOMAIN_DRIVER_API, id);
  };
  for (const CUpti_CallbackId id : kKernelLaunches) {
    if (const CUptiResult code = enable(id); code != CUPTI_SUCCESS) {
      stop();
      return refused(api_, code, "cuptiEnableCallback");
    }
  }
  // A step with a graph does not fit in any case; without these it is only said less well.
  for (const CUpti_CallbackId id : kGraphLaunches) (void)enable(id);
  return {};
}

void LaunchListener::stop() noexcept {
  if (handle_ == nullptr) return;
  (void)api_.cuptiUnsubscribe(handle_);
  handle_ = nullptr;
}

void LaunchListener::begin(CUcontext context) noexcept {
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  h.launches = {};
  h.context = context;
  h.listening = true;
}

HeardLaunches LaunchListener::end() noexcept {
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  h.listening = false;
  return std::exchange(h.launches, {});
}

bool is_communication_kernel(const std::string& name) {
  for (const char* part : {"ncclDevKernel", "ncclKernel", "nvshmem", "cross_device_reduce",
                           "multimem_all_reduce", "one_shot_all_reduce", "two_shot_all_reduce"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace rooftop::capture
