// Streams, events and graphs of the host's CUDA runtime.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/host_executor/cudart_state.h"

namespace rooftop::host_executor {
namespace {

using Capture = CUstream_st::Capture;

void run_queue(CUstream_st& stream) {
  for (const auto& work : std::exchange(stream.queue, {})) work();
}

void invalidate_captures() {
  for (CUstream_st* const stream : runtime().streams) {
    if (stream->capture == Capture::kActive) stream->capture = Capture::kInvalid;
  }
}

// A kernel's launch arrives here from gpu::launch.
bool take(cudaStream_t stream, const StreamWork& work) {
  add_work(stream, work);
  return true;
}

[[maybe_unused]] const bool kTakesLaunches = (set_stream_queue(take), true);

}  // namespace

void add_work(cudaStream_t stream, CUstream_st::Work work) {
  if (stream == nullptr) {
    drain(nullptr);
    work();
  } else if (stream->capture == Capture::kNone) {
    stream->queue.push_back(std::move(work));
  } else {
    stream->captured.push_back(std::move(work));
  }
}

bool drain(cudaStream_t stream) {
  if (stream != nullptr) {
    if (stream->capture != Capture::kNone) {
      stream->capture = Capture::kInvalid;
      return false;
    }
    run_queue(*stream);
    return true;
  }
  // The null stream waits for all but those that were created not to be waited for.
  for (CUstream_st* const other : runtime().streams) {
    if (other->blocking) run_queue(*other);
  }
  return true;
}

void drain_all() {
  for (CUstream_st* const stream : runtime().streams) run_queue(*stream);
}

bool forbidden_by_capture() {
  if (runtime().strict_captures == 0) return false;
  invalidate_captures();
  return true;
}

}  // namespace rooftop::host_executor

using namespace rooftop::host_executor;  // NOLINT(google-build-using-namespace)

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  *stream = new CUstream_st;
  (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  runtime().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (runtime().streams.erase(stream) == 0) return result(cudaErrorInvalidResourceHandle);
  run_queue(*stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return result(drain(stream) ? cudaSuccess : cudaErrorStreamCaptureUnsupported);
}

cudaError_t cudaDeviceSynchronize() {
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  drain_all();
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  ++runtime().other_handles;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return result(cudaErrorInvalidResourceHandle);
  delete event;
  --runtime().other_handles;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto mark = std::make_shared<CUevent_st::Mark>();
  event->stream = stream;
  event->mark = mark;
  event->captured = stream != nullptr && stream->capture != Capture::kNone;
  if (event->captured) return cudaSuccess;
  add_work(stream, [=] { *mark = {.reached = true, .time = std::chrono::steady_clock::now()}; });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->captured) return result(cudaErrorCapturedEvent);
  if (event->mark == nullptr || event->mark->reached) return cudaSuccess;
  return result(drain(event->stream) ? cudaSuccess : cudaErrorStreamCaptureUnsupported);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (begin->mark == nullptr || end->mark == nullptr || !begin->timed || !end->timed) {
    return result(cudaErrorInvalidResourceHandle);
  }
  if (!begin->mark->reached || !end->mark->reached) return result(cudaErrorNotReady);
  const auto time = end->mark->time - begin->mark->time;
  *milliseconds = std::chrono::duration<float, std::milli>(time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream == nullptr) return result(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != Capture::kNone) return result(cudaErrorIllegalState);
  stream->capture = Capture::kActive;
  stream->strict_capture = mode != cudaStreamCaptureModeRelaxed;
  runtime().strict_captures += stream->strict_capture ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = cudaStreamCaptureStatusNone;
  if (stream == nullptr) return cudaSuccess;
  if (stream->capture == Capture::kActive) *status = cudaStreamCaptureStatusActive;
  if (stream->capture == Capture::kInvalid) *status = cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (stream == nullptr || stream->capture == Capture::kNone) return result(cudaErrorIllegalState);
  const bool valid = std::exchange(stream->capture, Capture::kNone) == Capture::kActive;
  runtime().strict_captures -= stream->strict_capture ? 1 : 0;
  std::vector<StreamWork> work = std::exchange(stream->captured, {});
  if (!valid) return result(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(work)};
  ++runtime().other_handles;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long /*flags*/) {
  *exec = new CUgraphExec_st{graph->work};
  ++runtime().other_handles;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  for (const StreamWork& work : exec->work) add_work(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  --runtime().other_handles;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  --runtime().other_handles;
  return cudaSuccess;
}

}  // extern "C"
