#include "profiler/capture/cupti/range_counters.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string_view>
#include <thread>

#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/chip_support.h"

namespace rooftop::capture {
namespace {

constexpr std::size_t kMostRanges = std::size_t{1} << 20;
// So many steps that do not fit, none between them that does: it costs time and gives nothing.
constexpr std::uint64_t kHopeless = 16;
constexpr int kPatienceMs = 1000;
constexpr std::string_view kCaptured =
    "a stream was being captured into a CUDA graph, whose kernels run later (--graphs off)";

// What the driver answers to those that wait for a context with a stream that is being captured.
bool is_of_capture(CUresult code) {
  return code >= CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED &&
         code <= CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
}

// Counted steps that are not drained yet: a session drains every 50 ms.
constexpr std::size_t kMostWaiting = 256;

// Makes a context this thread's own for a while; null: none.
class Within {
 public:
  Within(const CudaDriver& driver, CUcontext context) : driver_(driver) {
    CUcontext current = nullptr;
    if (context == nullptr ||
        (driver.cuCtxGetCurrent(&current) == CUDA_SUCCESS && current == context))
      return;
    pushed_ = driver.cuCtxPushCurrent(context) == CUDA_SUCCESS;
  }
  ~Within() {
    CUcontext popped = nullptr;
    if (pushed_) (void)driver_.cuCtxPopCurrent(&popped);
  }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  const CudaDriver& driver_;
  bool pushed_ = false;
};

}  // namespace

RangeCounters::RangeCounters(const CuptiApi& api, const CudaDriver& driver, CounterOptions options)
    : api_(api),
      driver_(driver),
      options_(std::move(options)),
      listener_{
          .begin =
              [](void* self, ScopeId step, const nvtx::StepPayload& payload) noexcept {
                static_cast<RangeCounters*>(self)->begin_step(step, payload);
              },
          .end = [](void* self,
                    ScopeId step) noexcept { static_cast<RangeCounters*>(self)->end_step(step); },
          .context = this},
      launches_(api, {.call =
                          [](void* self, CUcontext context) noexcept {
                            static_cast<RangeCounters*>(self)->context_ends(context);
                          },
                      .self = this}),
      session_(api) {}

Status RangeCounters::start() noexcept try {
  const std::lock_guard lock(mutex_);
  if (!api_.has_ranges() || api_.cuptiRangeProfilerCounterDataGetRangeInfo == nullptr)
    return Status::failed(
        "this CUPTI reads no counters of kernels: Rooftop needs CUPTI of CUDA 12.6 "
        "or newer");
  pid_ = getpid();
  // First of all: a refusal means that another tool is at work, which is to be left alone.
  if (Status status = launches_.subscribe(); !status.ok()) return status;
  Status status = initialize_profiler(api_);
  initialized_ = status.ok();
  CUcontext context = nullptr;
  if (status.ok()) {
    const bool current = driver_.cuCtxGetCurrent(&context) == CUDA_SUCCESS && context != nullptr;
    status = current ? prepare(context) : plan_early(api_, driver_, options_, early_);
  }
  if (!status.ok()) {
    close();
    return status;
  }
  running_ = started_ = true;
  set_step_listener(&listener_);
  return {};
} catch (const std::exception&) {
  close();
  return Status::failed("not enough memory to read counters");
}

// As soon as there is a context: at the start, else at the first step.
Status RangeCounters::prepare(CUcontext context) {
  if (Status status = set_up_counters(api_, driver_, context, options_, early_, setup_);
      !status.ok())
    return status;
  if (Status status = session_.enable(context); !status.ok()) return status;
  enabled_context_.store(context, std::memory_order_release);
  rotation_ = std::make_unique<CounterRotation>(setup_.hardware,
                                                setup_.configurations.size() - setup_.hardware);
  notes_.insert(notes_.end(), setup_.notes.begin(), setup_.notes.end());
  ready_ = true;
  return {};
}

void RangeCounters::begin_step(ScopeId step, const nvtx::StepPayload& payload) noexcept try {
  if (getpid() != pid_) return;
  const std::lock_guard lock(mutex_);
  ++steps_heard_;
  const bool enough = options_.max_steps != 0 && counted_ >= options_.max_steps;
  if (!running_ || step_ != 0 || enough || (payload.flags & nvtx::kWarmup) != 0) return;
  if (Status status = try_begin(step, payload); !status.ok()) give_up(status);
} catch (const std::exception&) {
  // Out of memory: this step is not counted.
}

Status RangeCounters::try_begin(ScopeId step, const nvtx::StepPayload& payload) {
  CUcontext context = nullptr;
  if (driver_.cuCtxGetCurrent(&context) != CUDA_SUCCESS || context == nullptr) {
    ++without_context_;
    return {};
  }
  // CUPTI would wait for the device on its own account.
  if (LaunchListener::capturing()) {
    unfit(std::string(kCaptured));
    return {};
  }
  if (!ready_) {
    if (Status status = prepare(context); !status.ok()) return status;
  }
  if (context != setup_.context) {
    unfit("it ran in another CUDA context than the first one");
    return {};
  }
  shape_ = shape_of(payload);
  configuration_ = rotation_->next(shape_);
  if (Status status = session_.start(*setup_.hosts[configuration_], max_ranges_); !status.ok())
    return status;
  step_ = step;
  LaunchListener::begin(context);
  return {};
}

void RangeCounters::end_step(ScopeId step) noexcept try {
  if (getpid() != pid_) return;
  const std::lock_guard lock(mutex_);
  if (!running_ || step_ != step) return;
  if (Status status = try_end(); !status.ok()) give_up(status);
} catch (const std::exception&) {
  step_ = 0;
}

Status RangeCounters::try_end() {
  const CUresult finished = LaunchListener::capturing() ? CUDA_SUCCESS : driver_.cuCtxSynchronize();
  HeardLaunches heard = LaunchListener::end();
  step_ = 0;
  if (Status status = session_.stop(); !status.ok()) return status;
  if (heard.captured || is_of_capture(finished)) {
    unfit(std::string(kCaptured));
    return {};
  }
  if (finished != CUDA_SUCCESS)
    return Status::failed(
        "counters ended as the program's own work on the device failed (CUDA "
        "error " +
        std::to_string(static_cast<int>(finished)) + ")");
  RangeSession::Decoded decoded;
  if (Status status = session_.decode(decoded); !status.ok()) return status;
  if (decoded.dropped > 0) {
    dropped_ += decoded.dropped;
    while (max_ranges_ < decoded.ranges + decoded.dropped && max_ranges_ < kMostRanges)
      max_ranges_ *= 2;
    unfit("it had more launches than there was room for, which is now larger");
    return {};
  }
  return take(std::move(heard), decoded.ranges);
}

Status RangeCounters::take(HeardLaunches heard, std::size_t ranges) {
  const std::vector<CountedLaunch>& launches = heard.launches;
  const bool communicates = std::ranges::any_of(
      launches, [](const CountedLaunch& l) { return is_communication_kernel(l.name); });
  if (communicates && !options_.allow_communication)
    return serialisation_refused("communication kernels run in this process");
  if (heard.elsewhere > 0 && !options_.allow_communication)
    return serialisation_refused("kernels run in several CUDA contexts");
  if (heard.graphs > 0) {
    unfit("it launched a CUDA graph, whose kernels are not told one by one (--graphs off)");
    return {};
  }
  if (heard.lost || ranges != launches.size()) {
    unfit("CUPTI counted " + std::to_string(ranges) + " kernels where " +
          std::to_string(launches.size()) + " were launched");
    return {};
  }
  if (heard.several_threads) {
    unfit("several threads launched kernels, whose order CUPTI does not tell");
    return {};
  }
  std::vector<std::size_t> place;
  std::string odd;
  if (Status status = session_.places(ranges, place, odd); !status.ok()) return status;
  if (place.size() != ranges) {
    unfit("CUPTI names a range \"" + odd + "\", which is no number of a launch");
    return {};
  }
  if (done_.size() >= kMostWaiting) {
    unfit("the steps before it were not written yet: the disk is too slow");
    return {};
  }
  Counted counted;
  counted.configuration = configuration_;
  const MetricHost& host = *setup_.hosts[configuration_];
  const std::size_t metrics = host.metrics().size();
  counted.values.resize(launches.size() * metrics);
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const auto values = std::span(counted.values).subspan(i * metrics, metrics);
    if (Status status = host.evaluate(session_.counters(), place[i], values); !status.ok())
      return status;
  }
  counted.launches = std::move(heard.launches);
  recall(counted);
  if (!options_.save_counters.empty()) save(counted);
  ++counted_;
  unfit_in_a_row_ = 0;
  done_.push_back(std::move(counted));
  return {};
}

void RangeCounters::unfit(const std::string& why) {
  ++unfit_;
  if (first_unfit_.empty()) first_unfit_ = why;
  if (++unfit_in_a_row_ == kHopeless)
    give_up(Status::failed("counters ended after " + std::to_string(kHopeless) +
                           " steps in a row that do not fit (" + why + ")"));
}

// From now on nothing is counted; what was stays.
void RangeCounters::give_up(const Status& why) {
  running_ = false;
  notes_.push_back(why.message() + ".");
  close();
}

// Ends what is open in the context, on whichever thread.
void RangeCounters::leave_context() noexcept {
  running_ = false;
  if (context_gone_.load(std::memory_order_acquire)) {
    (void)LaunchListener::end();
    session_.abandon();
    step_ = 0;
    ready_ = false;
    return;
  }
  const Within context(driver_, ready_ ? setup_.context : nullptr);
  if (step_ != 0) {
    // As far as the step has come: nothing of it is kept.
    if (!LaunchListener::capturing()) (void)driver_.cuCtxSynchronize();
    (void)LaunchListener::end();
  }
  step_ = 0;
  (void)session_.disable();
  ready_ = false;
}

// After this the context is no more, and another may get its address.
void RangeCounters::context_ends(CUcontext context) noexcept try {
  if (getpid() != pid_) return;
  // stop() may be waiting for this very callback: it has the lock, and ends all by itself.
  std::unique_lock lock(mutex_, std::try_to_lock);
  for (int i = 0; i < kPatienceMs && !lock.owns_lock(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    lock.try_lock();
  }
  if (!lock.owns_lock()) {
    // Whoever has the lock will find the context dead, and calls nothing of it any more.
    if (context == enabled_context_.load(std::memory_order_acquire))
      context_gone_.store(true, std::memory_order_release);
    return;
  }
  if (!ready_ || context != setup_.context) return;
  leave_context();
  notes_.emplace_back(
      "Counters ended with the CUDA context that they were read in: the program destroyed it.");
} catch (const std::exception&) {
  // Out of memory for the note.
}

// CUPTI's end sequence.
void RangeCounters::close() noexcept {
  leave_context();
  setup_.hosts.clear();
  launches_.stop();
  if (initialized_) deinitialize_profiler(api_);
  initialized_ = false;
}

void RangeCounters::stop() noexcept {
  // A forked child has nothing of CUPTI's to give back.
  if (pid_ == 0 || getpid() != pid_) return;
  set_step_listener(nullptr);
  const std::lock_guard lock(mutex_);
  pid_ = 0;
  close();
}

std::unique_ptr<RecordSource> make_counters(const CuptiApi& api, const CudaDriver& driver,
                                            CounterOptions options) {
  return std::make_unique<RangeCounters>(api, driver, std::move(options));
}

}  // namespace rooftop::capture
