#include "profiler/plugin/plugin.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "profiler/capture/session.h"
#include "profiler/core/machine.h"
#include "profiler/core/version.h"
#include "profiler/plugin/late_sources.h"
#include "profiler/plugin/message.h"
#include "profiler/plugin/plugin_options.h"
#include "profiler/plugin/process_facts.h"
#include "profiler/plugin/trace_path.h"

namespace rooftop::plugin {
namespace {

// How long the process's end may wait for the last records: a disk that hangs must not hang it.
constexpr int kExitSeconds = 5;

enum class State : int { kNew, kStarting, kOn, kOff };

// Of one recording. Never destroyed: threads of the host may be inside it while the process ends.
struct Recording {
  capture::Session session;
  Options options;
  LateSources* gpu = nullptr;  // the session's
  std::atomic<bool> cuda_seen{false};
};

std::atomic<State> state{State::kNew};
std::atomic<pid_t> owner{0};
std::atomic<Recording*> current{nullptr};

Meta describe_process(const Options& options) {
  Meta meta = describe_machine();
  meta.tool_version = kVersion;
  meta.command = "attach";
  meta.run = program_name();
  const Rank place = rank_of(environ);
  meta.rank = place.rank;
  meta.world_size = place.world_size;
  if (options.mode == Mode::kCpu) meta.devices = {describe_cpu()};
  return meta;
}

Status start(Recording& recording) {
  Options& options = recording.options;
  if (Status read = read_options(environ, options); !read.ok()) return read;
  if (options.quiet) be_quiet();
  if (!claim_process()) {
    return Status::failed("a second copy of the plugin was loaded (" + own_path() +
                          "): let CUDA_INJECTION64_PATH and NVTX_INJECTION64_PATH name the same "
                          "file");
  }
  TracePath trace;
  if (Status chosen = choose_trace_path(options.output, trace); !chosen.ok()) return chosen;
  capture::SessionOptions session;
  session.output = trace.path;
  session.meta = describe_process(options);
  session.injected = true;
  session.host_kernels = options.mode == Mode::kCpu;
  session.overhead_budget = options.overhead_budget;
  session.sources.push_back([&] {
    const bool pausable = options.mode == Mode::kTimeline || options.mode == Mode::kAuto ||
                          options.mode == Mode::kSampling;
    auto sources = std::make_unique<LateSources>(trace.path, options.max_bytes, pausable);
    recording.gpu = sources.get();
    return sources;
  });
  return recording.session.start(session);
}

struct Finish {
  Recording* recording = nullptr;
  sem_t done{};
};

void* finish_recording(void* argument) noexcept {
  auto* finish = static_cast<Finish*>(argument);
  const Status stopped = finish->recording->session.stop();
  if (!stopped.ok()) say("the trace is not complete: " + stopped.message());
  sem_post(&finish->done);
  return nullptr;
}

// Ends the recording on a thread of its own, and goes on without it where that takes too long.
void finish_in_time(Recording* recording) noexcept {
  static Finish finish;
  finish.recording = recording;
  if (sem_init(&finish.done, 0, 0) != 0) return;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread{};
  const bool made = pthread_create(&thread, nullptr, finish_recording, &finish) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!made) {
    finish_recording(&finish);
    return;
  }
  pthread_detach(thread);
  timespec limit{};
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += kExitSeconds;
  int waited = 0;
  while ((waited = sem_timedwait(&finish.done, &limit)) != 0 && errno == EINTR) {
  }
  if (waited != 0) say("the trace's end could not be written in time: it is cut short");
}

void at_exit() noexcept {
  if (owner.load() != getpid()) return;  // a forked child: the recording is its parent's
  State on = State::kOn;
  if (!state.compare_exchange_strong(on, State::kOff)) return;
  finish_in_time(current.load());
}

void switch_on() noexcept try {
  owner.store(getpid());
  if (getauxval(AT_SECURE) != 0) {  // its environment is not its owner's
    state.store(State::kOff);
    return;
  }
  auto* recording = new Recording;
  current.store(recording);  // kept in any case: half-made, it is not worth a risk to the host
  const Status started = start(*recording);
  if (!started.ok()) {
    say(started.message() + "; this process is not recorded");
    state.store(State::kOff);
    return;
  }
  std::atexit(at_exit);
  state.store(State::kOn, std::memory_order_release);
} catch (const std::exception& e) {
  say(std::string("this process is not recorded: ") + e.what());
  state.store(State::kOff);
}

// A call that may be cancelled must not be, inside us: unwinding ends at our C entry points.
class Uncancelled {
 public:
  Uncancelled() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = 0;
};

void wait_for_start() noexcept {
  constexpr timespec kMillisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
  for (int i = 0; i < kExitSeconds * 1000 && state.load() == State::kStarting; ++i)
    nanosleep(&kMillisecond, nullptr);
}

// A child that is forked while NVTX or CUDA waits for us to start would wait for ever.
[[gnu::constructor]] void wait_before_forks() noexcept {
  pthread_atfork(wait_for_start, nullptr, nullptr);
}

void start_gpu(Recording& recording) {
  using capture::GpuCapture;
  const auto makers = [&](GpuCapture capture) {
    capture::GpuSourceOptions options;
    options.capture = capture;
    options.max_steps = recording.options.max_steps;
    options.allow_communication = recording.options.allow_communication;
    return capture::gpu_sources(options);
  };
  LateSources::Plan plan;
  // Once more: the latest handler is the first to run, and CUDA's runtime registers its own when
  // the driver is ready. After it there are no contexts, and no records of theirs.
  plan.when_ready = []() noexcept { std::atexit(at_exit); };
  std::atexit(at_exit);
  switch (recording.options.mode) {
    case Mode::kTimeline:
      plan.now = makers(GpuCapture::kTimeline);
      break;
    case Mode::kAuto:
    case Mode::kSampling:
      plan.now = makers(GpuCapture::kTimeline);
      plan.after_init = makers(GpuCapture::kSampling);  // the timeline, then what needs a driver
      if (!plan.after_init.empty()) plan.after_init.erase(plan.after_init.begin());
      break;
    case Mode::kCounters:
      plan.after_init = makers(GpuCapture::kCounters);
      plan.instead = makers(GpuCapture::kSampling);
      break;
    case Mode::kScopes:
    case Mode::kCpu:
      break;
  }
  recording.gpu->begin(std::move(plan));
}

}  // namespace

bool ensure_recording() noexcept {
  const Uncancelled uncancelled;
  State fresh = State::kNew;
  if (state.compare_exchange_strong(fresh, State::kStarting)) {
    switch_on();
  } else if (fresh == State::kStarting && owner.load() == getpid()) {
    wait_for_start();
  }
  return state.load(std::memory_order_acquire) == State::kOn && owner.load() == getpid();
}

void record_cuda() noexcept try {
  const Uncancelled uncancelled;
  if (state.load() == State::kOn && owner.load() != getpid()) state.store(State::kNew);
  if (!ensure_recording()) return;
  Recording& recording = *current.load();
  if (recording.cuda_seen.exchange(true)) return;
  start_gpu(recording);
} catch (const std::exception& e) {
  say(std::string("kernels are not recorded: ") + e.what());
}

}  // namespace rooftop::plugin
