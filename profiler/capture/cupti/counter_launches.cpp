#include "profiler/capture/cupti/counter_launches.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
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

constexpr std::array kCaptureBegins{
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCapture,
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCapture_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCapture_v2,
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCapture_v2_ptsz,
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCaptureToGraph,
    CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCaptureToGraph_ptsz,
};
constexpr std::array kCaptureEnds{
    CUPTI_DRIVER_TRACE_CBID_cuStreamEndCapture,
    CUPTI_DRIVER_TRACE_CBID_cuStreamEndCapture_ptsz,
};

struct Heard {
  std::mutex end_mutex;  // held while `end` is called
  std::optional<LaunchListener::ContextEnd> end;

  std::mutex mutex;  // all below
  int captures = 0;  // open
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

void on_context_end(const void* data) noexcept {
  const CUcontext context = static_cast<const CUpti_ResourceData*>(data)->context;
  Heard& h = heard();
  const std::lock_guard lock(h.end_mutex);
  if (h.end) h.end->call(h.end->self, context);
}

template <class Ids>
bool among(const Ids& ids, CUpti_CallbackId id) {
  return std::ranges::any_of(ids, [id](CUpti_CallbackId other) { return other == id; });
}

// On the engine's thread, as the call returns: a launch that failed has no range.
void CUPTIAPI on_call(void* /*context*/, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                      const void* data) noexcept {
  if (data == nullptr) return;
  if (domain == CUPTI_CB_DOMAIN_RESOURCE && id == CUPTI_CBID_RESOURCE_CONTEXT_DESTROY_STARTING)
    on_context_end(data);
  if (domain != CUPTI_CB_DOMAIN_DRIVER_API) return;
  const auto& call = *static_cast<const CUpti_CallbackData*>(data);
  if (call.callbackSite != CUPTI_API_EXIT || call.functionParams == nullptr) return;
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  // A capture that failed has ended, too.
  if (among(kCaptureEnds, id)) {
    h.captures = std::max(0, h.captures - 1);
    return;
  }
  if (call.functionReturnValue != nullptr &&
      *static_cast<const CUresult*>(call.functionReturnValue) != CUDA_SUCCESS)
    return;
  if (among(kCaptureBegins, id)) {
    ++h.captures;
    h.launches.captured = true;
    return;
  }
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
  if (const CUptiResult code = api_.cuptiSubscribe(&handle_, on_call, nullptr);
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
  for (const CUpti_CallbackId id : kCaptureBegins) (void)enable(id);
  for (const CUpti_CallbackId id : kCaptureEnds) (void)enable(id);
  (void)api_.cuptiEnableCallback(1, handle_, CUPTI_CB_DOMAIN_RESOURCE,
                                 CUPTI_CBID_RESOURCE_CONTEXT_DESTROY_STARTING);
  {
    const std::lock_guard lock(heard().mutex);
    heard().captures = 0;
  }
  const std::lock_guard lock(heard().end_mutex);
  heard().end = end_;
  return {};
}

void LaunchListener::stop() noexcept {
  if (handle_ == nullptr) return;
  {
    const std::lock_guard lock(heard().end_mutex);
    heard().end.reset();
  }
  (void)api_.cuptiUnsubscribe(handle_);
  handle_ = nullptr;
}

void LaunchListener::begin(CUcontext context) noexcept {
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  h.launches = {};
  h.launches.captured = h.captures > 0;
  h.context = context;
  h.listening = true;
}

HeardLaunches LaunchListener::end() noexcept {
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  h.listening = false;
  return std::exchange(h.launches, {});
}

bool LaunchListener::capturing() noexcept {
  Heard& h = heard();
  const std::lock_guard lock(h.mutex);
  return h.captures > 0;
}

bool is_communication_kernel(const std::string& name) {
  for (const char* part : {"ncclDevKernel", "ncclKernel", "nvshmem", "cross_device_reduce",
                           "multimem_all_reduce", "one_shot_all_reduce", "two_shot_all_reduce"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace rooftop::capture
