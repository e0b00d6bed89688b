#include "profiler/capture/cupti/activity_stream.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "profiler/capture/cupti/activity_fork.h"
#include "profiler/capture/cupti/callback_ids.h"
#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {
namespace {

std::atomic<bool> claimed{false};

// CUPTI before CUDA 12.9 crashes where a request for a buffer is declined (release notes of 12.9;
// pytorch/kineto#1275).
constexpr std::uint32_t kTakesNull = 27;
std::atomic<bool> null_crashes{false};

// Never destroyed: CUPTI's threads call as long as the process lives.
ActivityBuffers& buffers() noexcept {
  alignas(ActivityBuffers) static std::array<std::byte, sizeof(ActivityBuffers)> memory;
  static auto* instance = new (memory.data()) ActivityBuffers;
  return *instance;
}

void CUPTIAPI on_request(std::uint8_t** buffer, std::size_t* size, std::size_t* most) noexcept {
  *most = 0;  // as many records as fit
  *buffer = nullptr;
  *size = 0;
  const bool scrap = null_crashes.load(std::memory_order_relaxed);
  if (in_forked_child()) {  // another thread of the parent's may have held the buffers' lock
    if (!scrap) return;
    *buffer = static_cast<std::uint8_t*>(std::calloc(1, ActivityBuffers::kScrapBytes));
    *size = *buffer != nullptr ? ActivityBuffers::kScrapBytes : 0;
    return;
  }
  *buffer = scrap ? buffers().request_or_scrap(*size) : buffers().request(*size);
}

void CUPTIAPI on_complete(CUcontext /*context*/, std::uint32_t /*stream*/, std::uint8_t* buffer,
                          std::size_t /*size*/, std::size_t valid) noexcept {
  if (!in_forked_child()) buffers().complete(buffer, valid);
}

std::uint64_t CUPTIAPI on_time() noexcept { return static_cast<std::uint64_t>(now().ns); }

template <class Value>
void set(const CuptiApi& api, CUpti_ActivityAttribute attribute, Value value) noexcept {
  std::size_t size = sizeof value;
  (void)api.cuptiActivitySetAttribute(attribute, &size, &value);
}

}  // namespace

bool ActivityStream::claim() noexcept { return !claimed.exchange(true); }
void ActivityStream::release() noexcept { claimed.store(false); }

// Each is a wish: CUPTI's own default serves where it is refused. All but the thread ids "before
// initializing CUDA or before creating a context" as far as the host lets us.
void ActivityStream::set_attributes(const TimelineOptions& options) noexcept {
  if (api_.cuptiSetThreadIdType != nullptr)
    (void)api_.cuptiSetThreadIdType(CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM);
  if (options.device_buffers > 0)
    set<std::size_t>(api_, CUPTI_ACTIVITY_ATTR_DEVICE_BUFFER_POOL_LIMIT, options.device_buffers);
  // From CUDA 13 on every launching thread would hold a buffer of its own, used or not.
  set<std::uint8_t>(api_, CUPTI_ACTIVITY_ATTR_PER_THREAD_ACTIVITY_BUFFER, 0);
  // Ours are zeroed when they are taken back, so that CUPTI need not do it on the engine's thread.
  set<std::uint8_t>(api_, CUPTI_ACTIVITY_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, 1);
}

Status ActivityStream::start(const TimelineOptions& options, std::vector<std::string>& notes) {
  watch_forks();
  null_crashes = api_.version < kTakesNull;
  set_attributes(options);
  if (!buffers().open(options.buffer_bytes, options.total_buffer_bytes))
    return Status::failed("not enough memory to record GPU kernels");
  // "Before any of the CUPTI activity kinds are enabled."
  own_clock_ = api_.cuptiActivityRegisterTimestampCallback != nullptr &&
               api_.cuptiActivityRegisterTimestampCallback(on_time) == CUPTI_SUCCESS;
  const CUptiResult registered = api_.cuptiActivityRegisterCallbacks(on_request, on_complete);
  if (registered != CUPTI_SUCCESS) {
    buffers().close();
    return refused(api_, registered, "cuptiActivityRegisterCallbacks");
  }
  started_ = true;
  Status status = enable(options, notes);
  if (!status.ok()) {
    started_ = false;
    disable_all();
    buffers().close();
  }
  return status;
}

Status ActivityStream::enable(const TimelineOptions& options, std::vector<std::string>& notes) {
  const std::lock_guard lock(mutex_);
  const auto wish = [&](CUpti_ActivityKind kind, const char* what) {
    const CUptiResult result = api_.cuptiActivityEnable(kind);
    if (result == CUPTI_SUCCESS) {
      enabled_.push_back(kind);
    } else {
      notes.push_back(std::string(what) + " are not recorded: " +
                      refused(api_, result, "cuptiActivityEnable").message() + ".");
    }
  };
  enabled_.reserve(16);
  const CUptiResult kernels = api_.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  if (kernels != CUPTI_SUCCESS) return refused(api_, kernels, "cuptiActivityEnable");
  kernels_ = true;
  wish(CUPTI_ACTIVITY_KIND_MEMCPY, "Copies");
  wish(CUPTI_ACTIVITY_KIND_MEMCPY2, "Copies between devices");
  wish(CUPTI_ACTIVITY_KIND_MEMSET, "Memsets");
  wish(CUPTI_ACTIVITY_KIND_OVERHEAD, "CUPTI's own times");
  // Only where asked for: it takes the place of the records of a graph's kernels.
  if (options.graph_level) wish(CUPTI_ACTIVITY_KIND_GRAPH_TRACE, "Graph launches as a whole");
  if (options.api_calls) enable_api_calls(notes);
  if (options.hardware_trace && api_.cuptiActivityEnableHWTrace != nullptr) {
    const CUptiResult result = api_.cuptiActivityEnableHWTrace(1);
    if (result != CUPTI_SUCCESS) {
      notes.push_back("Times are taken by CUPTI's instrumentation: " +
                      refused(api_, result, "cuptiActivityEnableHWTrace").message() + ".");
    }
  }
  return {};
}

// The launching calls alone where CUPTI can choose them, else all of the driver's.
void ActivityStream::enable_api_calls(std::vector<std::string>& notes) {
  CUptiResult result = CUPTI_ERROR_NOT_SUPPORTED;
  if (api_.cuptiActivityEnableDriverApi != nullptr) {
    for (const WatchedCall& call : kLaunches) {
      result = api_.cuptiActivityEnableDriverApi(call.id, 1);
      if (result != CUPTI_SUCCESS) break;
      enabled_calls_.push_back(call.id);
    }
  }
  if (result != CUPTI_SUCCESS) result = api_.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_DRIVER);
  if (result == CUPTI_SUCCESS && enabled_calls_.size() < kLaunches.size())
    enabled_.push_back(CUPTI_ACTIVITY_KIND_DRIVER);
  if (result == CUPTI_SUCCESS) {
    result = api_.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION);
    if (result == CUPTI_SUCCESS) enabled_.push_back(CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION);
  }
  if (result != CUPTI_SUCCESS) {
    notes.push_back("Launching calls are not recorded: " +
                    refused(api_, result, "cuptiActivityEnable").message() + ".");
  }
}

void ActivityStream::disable_all() noexcept {
  const std::lock_guard lock(mutex_);
  if (kernels_) (void)api_.cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  kernels_ = false;
  for (const CUpti_CallbackId call : enabled_calls_)
    (void)api_.cuptiActivityEnableDriverApi(call, 0);
  enabled_calls_.clear();
  for (const CUpti_ActivityKind kind : enabled_) (void)api_.cuptiActivityDisable(kind);
  enabled_.clear();
}

void ActivityStream::flush() noexcept {
  if (started_ && !in_forked_child()) (void)api_.cuptiActivityFlushAll(0);
}

void ActivityStream::stop() noexcept {
  if (!started_.exchange(false) || in_forked_child()) return;
  (void)api_.cuptiActivityFlushAll(0);
  disable_all();
  (void)api_.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  buffers().close();
}

void ActivityStream::abandon() noexcept {
  if (!started_.exchange(false)) return;
  const std::lock_guard lock(mutex_);
  enabled_.clear();
  enabled_calls_.clear();
  kernels_ = false;
  buffers().close();
}

bool ActivityStream::pause() noexcept {
  if (in_forked_child()) return true;
  const std::lock_guard lock(mutex_);
  if (!started_ || !kernels_) return true;
  kernels_ = api_.cuptiActivityDisable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) != CUPTI_SUCCESS;
  return !kernels_;
}

bool ActivityStream::resume() noexcept {
  if (in_forked_child()) return true;
  const std::lock_guard lock(mutex_);
  if (!started_ || kernels_) return true;
  kernels_ = api_.cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) == CUPTI_SUCCESS;
  return kernels_;
}

void ActivityStream::take(const std::function<void(std::uint8_t*, std::size_t)>& use) {
  struct GiveBack {
    ActivityBuffers::Filled filled;
    ~GiveBack() { buffers().give_back(filled); }
  };
  ActivityBuffers::Filled filled;
  while (buffers().take(filled)) {
    const GiveBack give_back{filled};
    use(filled.data, filled.valid);
  }
}

// All buffers are global since CUDA 6, and so is their count: no context, no stream.
std::uint64_t ActivityStream::take_dropped() noexcept {
  std::size_t dropped = 0;
  if (api_.cuptiActivityGetNumDroppedRecords(nullptr, 0, &dropped) != CUPTI_SUCCESS) return 0;
  return dropped;
}

std::uint64_t ActivityStream::take_declined() noexcept { return buffers().take_declined(); }

// CUPTI's clock and ours run alike but may be set apart: the time between two readings of ours
// bounds the error, so the closest of a few pairs is taken.
Duration ActivityStream::clock_offset() noexcept {
  if (own_clock_) return {};
  Duration narrowest{INT64_MAX};
  for (int i = 0; i < 5; ++i) {
    std::uint64_t theirs = 0;
    const Timestamp before = now();
    const CUptiResult result = api_.cuptiGetTimestamp(&theirs);
    const Duration width = now() - before;
    if (result != CUPTI_SUCCESS || width >= narrowest) continue;
    narrowest = width;
    const Timestamp middle{before.ns + width.ns / 2};
    offset_ = middle - Timestamp{static_cast<std::int64_t>(theirs)};
  }
  return offset_;
}

}  // namespace rooftop::capture
