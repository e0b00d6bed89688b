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
#include <thread>

#include "profiler/capture/nvtx_scopes.h"
#include "profiler/trace/writer.h"

namespace rooftop::capture {
namespace {

using namespace std::chrono_literals;
constexpr auto kDrainPeriod = 50ms;
constexpr int kDrainsPerFlush = 5;  // so that SIGKILL costs 250 ms of records at most

// A forked child has neither the drain thread nor a right to the file.
std::atomic<pid_t> recording_pid{0};

ScopeRecord to_scope(const ScopeEvent& event, StringId name) {
  ScopeRecord r;
  r.id = event.id;
  r.parent = event.parent;
  r.begin = event.begin;
  r.end = event.end;
  r.thread = event.thread;
  r.name = name;
  if (event.kind == ScopeEvent::Kind::kOp) {
    const nvtx::OpPayload& op = event.payload.op;
    r.kind = ScopeKind::kOp;
    r.op = op.op < kOperatorCount ? static_cast<Operator>(op.op) : Operator::kUnclassified;
    r.layer = op.layer;
    r.fused_mask = op.fused_mask;
    return r;
  }
  const nvtx::StepPayload& step = event.payload.step;
  r.kind = ScopeKind::kStep;
  r.phase = step.phase <= static_cast<std::uint32_t>(Phase::kMixed) ? static_cast<Phase>(step.phase)
                                                                    : Phase::kUnknown;
  r.flags = step.flags;
  r.batch = step.batch;
  r.query_tokens = step.query_tokens;
  r.length = std::max(step.length, step.query_tokens);
  r.logit_rows = step.logit_rows != 0 ? step.logit_rows : step.batch;
  const std::uint64_t b = step.batch;
  const std::uint64_t q = step.query_tokens;
  const std::uint64_t l =
      std::max(step.length, step.query_tokens);  // new tokens are among the keys
  const bool alike = step.total_query_tokens == 0;
  r.total_query_tokens = alike ? b * q : step.total_query_tokens;
  r.total_keys = alike ? b * l : step.total_keys;
  r.attention_pairs = alike ? b * q * l : step.attention_pairs;
  r.causal_pairs = alike ? b * (q * l - (q > 0 ? q * (q - 1) / 2 : 0)) : step.causal_pairs;
  return r;
}

KernelRecord to_kernel(const ScopeRecord& scope, KernelId id) {
  KernelRecord k;
  k.id = id;
  k.stream = scope.thread;
  k.begin = scope.begin;
  k.end = scope.end;
  k.name = scope.name;
  k.scope = scope.id;
  return k;
}

Meta to_meta(const ScopeEvent& event) {
  const nvtx::ModelPayload& m = event.payload.model;
  Meta meta;
  meta.model = {.name = event.name.data(),
                .hidden = m.hidden,
                .layers = m.layers,
                .heads = m.heads,
                .kv_heads = m.kv_heads,
                .head_dim = m.head_dim,
                .ffn = m.ffn,
                .vocab = m.vocab,
                .tied_embeddings = m.tied_embeddings != 0,
                .max_positions = m.max_positions};
  meta.layers_run = m.layers_run;
  meta.attention = m.flash != 0 ? "flash" : "unfused";
  meta.causal_skip = m.causal_skip != 0;
  meta.weight_bytes = m.weight_bytes;
  meta.activation_bytes = m.activation_bytes;
  meta.kv_bytes = m.kv_bytes;
  return meta;
}

}  // namespace

struct Session::Impl {
  trace::Writer writer;
  bool host_kernels = true;
  std::mutex writer_mutex;  // the drain thread and add_meta()
  std::thread drainer;
  std::mutex stop_mutex;
  std::condition_variable stop_wish;
  bool stopping = false;
  bool running = false;
  Status first_error;
  KernelId next_kernel = 1;
  double scope_ns = 0;
  std::uint64_t scopes = 0;
  std::int64_t profiled_ns = 0;  // sum of the steps' durations

  // Opens the file and starts the drain thread; recording is on already.
  Status begin(const SessionOptions& options, const Meta& meta) noexcept {
    try {
      if (Status opened = writer.open(options.output, meta); !opened.ok()) return opened;
      host_kernels = options.host_kernels;
      scope_ns = calibrate_scope_ns();
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

  void keep(Status status) {
    if (!status.ok() && first_error.ok()) first_error = std::move(status);
  }

  void take(const ScopeEvent& event) {
    if (!first_error.ok()) return;  // the engine goes on; its records have nowhere to go
    if (event.kind == ScopeEvent::Kind::kModel) return keep(writer.add_meta(to_meta(event)));
    ++scopes;
    const ScopeRecord scope = to_scope(event, writer.intern(event.name.data()));
    if (scope.kind == ScopeKind::kStep) profiled_ns += (scope.end - scope.begin).ns;
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
    if (const std::uint64_t lost = take_dropped(); lost > 0) {
      keep(writer.add(
          DropRecord{.when = now(), .source = writer.intern("scope ring"), .count = lost}));
    }
  }

  void flush() {
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
    keep(writer.add_meta(meta));
  }
};

Session::Session() : impl_(std::make_unique<Impl>()) {}
Session::~Session() { (void)stop(); }

Status Session::start(const SessionOptions& options) noexcept try {
  if (impl_->running) return Status::failed("this session is already recording");
  impl_ = std::make_unique<Impl>();
  if (!scopes_heard()) {
    const char* other = std::getenv("NVTX_INJECTION64_PATH");
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
  if (!start_recording()) {
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
  {
    const std::lock_guard lock(impl_->stop_mutex);
    impl_->stopping = true;
  }
  impl_->stop_wish.notify_one();
  impl_->drainer.join();
  impl_->drain();
  impl_->write_overhead();
  impl_->keep(impl_->writer.finish());
  return impl_->first_error;
}

}  // namespace rooftop::capture
