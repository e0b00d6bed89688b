#include "profiler/capture/session.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "profiler/capture/nvtx_scopes.h"
#include "profiler/capture/session_records.h"
#include "profiler/capture/step_gate.h"
#include "profiler/trace/writer.h"

namespace rooftop::capture {
namespace {

using namespace std::chrono_literals;
constexpr auto kDrainPeriod = 50ms;
constexpr int kDrainsPerFlush = 5;  // so that SIGKILL costs 250 ms of records at most

// A forked child has neither the drain thread nor a right to the file.
std::atomic<pid_t> recording_pid{0};

// Sources' records on their way to the file. After the first failure they have nowhere to go.
class WriterSink : public RecordSink {
 public:
  WriterSink(trace::Writer& writer, KernelId& next_kernel, Status& first_error)
      : writer_(writer), next_kernel_(next_kernel), first_error_(first_error) {}
  StringId intern(std::string_view text) override { return writer_.intern(text); }
  KernelId next_kernel() override { return next_kernel_++; }
  void add(const KernelRecord& record) override { keep(record); }
  void add(const CounterRecord& record) override { keep(record); }
  void add(const SampleRecord& record) override { keep(record); }
  void add(const MemcpyRecord& record) override { keep(record); }
  void add(const DropRecord& record) override { keep(record); }

 private:
  template <class Record>
  void keep(const Record& record) {
    if (!first_error_.ok()) return;
    if (Status added = writer_.add(record); !added.ok()) first_error_ = std::move(added);
  }
  trace::Writer& writer_;
  KernelId& next_kernel_;
  Status& first_error_;
};

}  // namespace

struct Session::Impl {
  trace::Writer writer;
  bool host_kernels = true;
  std::vector<std::unique_ptr<RecordSource>> sources;
  std::optional<StepGate> gate;
  std::mutex writer_mutex;  // the drain thread and add_meta()
  std::thread drainer;
  std::mutex stop_mutex;
  std::condition_variable stop_wish;
  bool stopping = false;
  bool running = false;
  Status first_error;
  KernelId next_kernel = 1;
  std::vector<Note> notes;  // why sources were left out
  double overhead_budget = 0;
  double scope_ns = 0;
  std::uint64_t scopes = 0;
  std::int64_t profiled_ns = 0;  // sum of the steps' durations

  // Opens the file and starts the drain thread; recording is on already.
  Status begin(const SessionOptions& options, const Meta& meta) noexcept {
    try {
      if (Status opened = writer.open(options.output, meta); !opened.ok()) return opened;
      host_kernels = options.host_kernels;
      scope_ns = calibrate_scope_ns();
      start_sources(options);
      recording_pid.store(getpid());
      // The host's signals are for the host's threads.
      sigset_t all;
      sigset_t before;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, &before);
      drainer = std::thread([this] { run(); });
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      running = true;
      return {};
    } catch (const std::exception& e) {
      return Status::failed(std::string("recording could not start: ") + e.what());
    }
  }

  // A source that cannot record is left out, and the trace says why: the rest is worth having.
  void start_sources(const SessionOptions& options) {
    Meta refusals;
    for (const auto& make : options.sources) {
      std::unique_ptr<RecordSource> source = make();
      if (source == nullptr) continue;
      Status started = source->start();
      if (started.ok()) {
        sources.push_back(std::move(source));
      } else {
        refusals.notes.push_back({started.message()});
      }
    }
    overhead_budget = options.overhead_budget;
    notes = refusals.notes;
    if (!notes.empty()) keep(writer.add_meta(refusals));
    const bool can_pause = std::any_of(sources.begin(), sources.end(),
                                       [](const auto& source) { return source->can_pause(); });
    if (can_pause) gate.emplace(sources, options.overhead_budget);
  }

  void keep(Status status) {
    if (!status.ok() && first_error.ok()) first_error = std::move(status);
  }

  void take(const ScopeEvent& event) {
    if (!first_error.ok()) return;  // the engine goes on; its records have nowhere to go
    if (event.kind == ScopeEvent::Kind::kModel) return keep(writer.add_meta(to_meta(event)));
    ++scopes;
    ScopeRecord scope = to_scope(event, writer.intern(event.name));
    scope.args = writer.intern(event.args);
    if (scope.kind == ScopeKind::kStep) {
      profiled_ns += (scope.end - scope.begin).ns;
      if (gate && gate->was_left_out(scope.id)) scope.flags |= kStepUntraced;
    }
    keep(writer.add(scope));
    if (host_kernels && scope.kind == ScopeKind::kOp)
      keep(writer.add(to_kernel(scope, next_kernel++)));
  }

  void drain() noexcept {
    try {
      drain_or_throw();
    } catch (const std::exception& e) {
      first_error = Status::failed(std::string("recording stopped: ") + e.what());
    }
  }

  void drain_or_throw() {
    const std::lock_guard lock(writer_mutex);
    drain_events([](void* self, const ScopeEvent& event) { static_cast<Impl*>(self)->take(event); },
                 this);
    WriterSink sink(writer, next_kernel, first_error);
    for (const auto& source : sources) source->drain(sink);
    if (const std::uint64_t lost = take_dropped(); lost > 0) {
      keep(writer.add(
          DropRecord{.when = now(), .source = writer.intern("scope ring"), .count = lost}));
    }
  }

  void flush() {
    for (const auto& source : sources) source->flush();
    const std::lock_guard lock(writer_mutex);
    keep(writer.flush());
  }

  void run() {
    pthread_setname_np(pthread_self(), "rooftop");
    int drains = 0;
    std::unique_lock lock(stop_mutex);
    while (!stop_wish.wait_for(lock, kDrainPeriod, [this] { return stopping; })) {
      lock.unlock();
      drain();
      if (++drains % kDrainsPerFlush == 0) flush();
      lock.lock();
    }
  }

  void write_overhead() {
    Meta meta;
    meta.scope_overhead_ns = scope_ns;
    if (profiled_ns > 0) {
      meta.overhead_fraction =
          scope_ns * static_cast<double>(scopes) / static_cast<double>(profiled_ns);
    }
    for (const auto& source : sources) source->describe(meta);
    if (gate) add_cost(gate->cost(), meta);
    if (overhead_budget > 0 && profiled_ns == 0) {
      meta.notes.push_back(
          {"The overhead allowed was not kept: it is by leaving out steps, and the program opened "
           "no step of rooftop/nvtx.h."});
    }
    keep(writer.add_meta(meta));
  }

  // Of recording on the device, beside the scopes' own.
  static void add_cost(const StepGate::Cost& cost, Meta& meta) {
    if (cost.measured) meta.overhead_fraction += cost.spent;
    if (cost.left_out > 0) {
      meta.notes.push_back({std::to_string(cost.left_out) +
                            " steps were not recorded, to keep within the overhead allowed"});
    }
  }
};

Session::Session() : impl_(std::make_unique<Impl>()) {}
Session::~Session() { (void)stop(); }

Status Session::start(const SessionOptions& options) noexcept try {
  if (impl_->running) return Status::failed("this session is already recording");
  impl_ = std::make_unique<Impl>();
  if (!options.injected && !scopes_heard()) {
    const char* other = std::getenv("NVTX_INJECTION64_PATH");
    if (other != nullptr &&
        std::string_view(other).find("librooftop.so") != std::string_view::npos) {
      return Status::failed(
          "Rooftop's plugin hears this process's scopes already (rooftop attach, or "
          "NVTX_INJECTION64_PATH): a program that records itself is run without it");
    }
    return Status::failed(
        other != nullptr
            ? "NVTX_INJECTION64_PATH names another NVTX tool (" + std::string(other) +
                  "), which hears this process's scopes: unset it to profile with Rooftop"
            : "NVTX scopes of this process do not reach Rooftop: link rooftop before any "
              "other library that defines InitializeInjectionNvtx2_fnptr");
  }
  Meta meta = options.meta;
  if (meta.created.ns == 0) meta.created = now();
  if (meta.pid == 0) meta.pid = static_cast<std::uint32_t>(getpid());
  // First the right to record, then the file: a refused session must not truncate another's trace.
  if (!start_recording(options.injected ? Ranges::kAll : Ranges::kOurs)) {
    return Status::failed("another Rooftop session is recording in this process");
  }
  Status started = impl_->begin(options, meta);
  if (!started.ok()) stop_recording();
  return started;
} catch (const std::exception& e) {
  return Status::failed(std::string("recording could not start: ") + e.what());
}

Status Session::add_meta(const Meta& meta) noexcept {
  if (!impl_->running) return Status::failed("no recording is running");
  if (recording_pid.load() != getpid()) return {};  // a forked child: the file is the parent's
  const std::lock_guard lock(impl_->writer_mutex);
  Status status = impl_->writer.add_meta(meta);
  impl_->keep(status);
  return status;
}

Status Session::stop() noexcept {
  if (!impl_->running) return impl_->first_error;
  impl_->running = false;
  if (recording_pid.load() !=
      getpid()) {           // a forked child: the file and the thread are the parent's
    (void)impl_.release();  // NOLINT(bugprone-unused-return-value): closing it would write to the
                            // parent's file
    impl_ = std::make_unique<Impl>();
    return {};
  }
  stop_recording();
  for (const auto& source : impl_->sources) source->ending();
  {
    const std::lock_guard lock(impl_->stop_mutex);
    impl_->stopping = true;
  }
  impl_->stop_wish.notify_one();
  impl_->drainer.join();
  // Only now: a source may still have been starting another one on the session's thread.
  for (const auto& source : impl_->sources) source->stop();
  impl_->drain();
  impl_->write_overhead();
  impl_->keep(impl_->writer.finish());
  impl_->gate.reset();
  return impl_->first_error;
}

const std::vector<Note>& Session::notes() const noexcept { return impl_->notes; }

}  // namespace rooftop::capture
