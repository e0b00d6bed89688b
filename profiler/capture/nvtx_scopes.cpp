#include "profiler/capture/nvtx_scopes.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <vector>

#include "profiler/capture/injection_hook.h"
#include "profiler/capture/spsc_ring.h"

namespace rooftop::capture {
namespace {

constexpr std::size_t kRingEvents =
    8192;  // 1.5 MiB a thread; a CPU decode step of 32 layers makes about 400
constexpr std::size_t kMaxDepth = 64;

struct OpenScope {
  ScopeEvent event;
  std::uint32_t session = 0;  // recording session in which it was opened; 0: not recorded
};

// What one engine thread owns. Kept alive by the registry until its ring is empty and its thread is
// gone.
struct ThreadState {
  explicit ThreadState(std::uint32_t id) : ring(kRingEvents), thread(id) {}
  SpscRing<ScopeEvent> ring;
  std::uint32_t thread;
  std::atomic<bool> finished{false};
  std::array<OpenScope, kMaxDepth> open;
  std::size_t depth = 0;
};

struct Shared {
  std::atomic<std::uint32_t> session{0};  // 0: nobody records
  std::uint32_t last_session = 0;
  std::atomic<ScopeId> next_id{1};
  std::atomic<ScopeId> current_step{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<bool> reached{false};
  std::atomic<const StepListener*> listener{nullptr};
  std::mutex mutex;  // guards threads and last_session
  std::vector<std::shared_ptr<ThreadState>> threads;
};

// Never destroyed: engine threads may close scopes while the process ends.
Shared& shared() {
  static auto* instance = new Shared;
  return *instance;
}

// Trivially destructible: still readable while a thread's other objects are destroyed.
thread_local bool thread_is_ending = false;
thread_local const ThreadState* known_state = nullptr;  // null: no scope was ever opened here

struct ThreadHandle {
  std::shared_ptr<ThreadState> state;
  ~ThreadHandle() {
    thread_is_ending = true;
    known_state = nullptr;
    if (!state) return;
    state->finished.store(true, std::memory_order_release);
    // Nobody may be draining: a thread that leaves nothing behind takes its state along.
    const std::lock_guard lock(shared().mutex);
    if (state->ring.empty()) std::erase(shared().threads, state);
  }
};

ThreadState* this_thread() noexcept {
  if (thread_is_ending) return nullptr;
  thread_local ThreadHandle handle;
  if (handle.state) return handle.state.get();
  try {
    auto state = std::make_shared<ThreadState>(static_cast<std::uint32_t>(syscall(SYS_gettid)));
    const std::lock_guard lock(shared().mutex);
    shared().threads.push_back(state);
    handle.state = std::move(state);
    known_state = handle.state.get();
  } catch (const std::exception&) {
    return nullptr;
  }
  return handle.state.get();
}

// The domain "rooftop" and every other one, as handles.
nvtxDomainHandle_t our_domain() {
  static char mark;
  return reinterpret_cast<nvtxDomainHandle_t>(&mark);
}
nvtxDomainHandle_t foreign_domain() {
  static char mark;
  return reinterpret_cast<nvtxDomainHandle_t>(&mark);
}

// The first payload with one of our schemas, or null. Sizes are the caller's word: a shorter
// payload than we know (an older header) is copied as far as it goes, the rest keeps its defaults.
const nvtxPayloadData_t* find_payload(const nvtxEventAttributes_t& attributes) {
  if (attributes.payloadType != NVTX_PAYLOAD_TYPE_EXT) return nullptr;
  const auto* data = reinterpret_cast<const nvtxPayloadData_t*>(attributes.payload.ullValue);
  if (data == nullptr) return nullptr;
  for (int i = 0; i < attributes.reserved0; ++i) {
    if (data[i].payload == nullptr) continue;
    if (data[i].schemaId >= nvtx::kStepSchema && data[i].schemaId <= nvtx::kModelSchema)
      return &data[i];
  }
  return nullptr;
}

template <typename T>
void copy_payload(T& to, const nvtxPayloadData_t& from) {
  to = T{};
  std::memcpy(&to, from.payload, std::min(sizeof(T), from.size));
}

void copy_name(ScopeEvent& event, const nvtxEventAttributes_t& attributes) {
  if (attributes.messageType != NVTX_MESSAGE_TYPE_ASCII || attributes.message.ascii == nullptr)
    return;
  const std::size_t length = strnlen(attributes.message.ascii, event.name.size() - 1);
  std::memcpy(event.name.data(), attributes.message.ascii, length);
  event.name[length] = 0;
}

// Fills kind, payload and name; false for what is not ours.
bool decode(ScopeEvent& event, const nvtxEventAttributes_t* attributes) {
  if (attributes == nullptr) return false;
  const nvtxPayloadData_t* data = find_payload(*attributes);
  if (data == nullptr) return false;
  if (data->schemaId == nvtx::kStepSchema) {
    event.kind = ScopeEvent::Kind::kStep;
    copy_payload(event.payload.step, *data);
  } else if (data->schemaId == nvtx::kOpSchema) {
    event.kind = ScopeEvent::Kind::kOp;
    copy_payload(event.payload.op, *data);
  } else {
    event.kind = ScopeEvent::Kind::kModel;
    copy_payload(event.payload.model, *data);
  }
  event.name[0] = 0;
  copy_name(event, *attributes);
  return true;
}

void push_event(ThreadState& state, const ScopeEvent& event) {
  if (!state.ring.push(event)) shared().dropped.fetch_add(1, std::memory_order_relaxed);
}

// The innermost open step of this thread; else the step that any thread has open (worker threads of
// an engine).
ScopeId enclosing_step(const ThreadState& state) {
  for (std::size_t i = std::min(state.depth, kMaxDepth); i-- > 0;) {
    const OpenScope& open = state.open[i];
    if (open.session != 0 && open.event.kind == ScopeEvent::Kind::kStep) return open.event.id;
  }
  return shared().current_step.load(std::memory_order_relaxed);
}

int NVTX_API on_push(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  if (domain != our_domain()) return 0;
  ThreadState* state = this_thread();
  if (state == nullptr) return 0;
  const std::size_t level = state->depth++;
  const std::uint32_t session = shared().session.load(std::memory_order_acquire);
  if (level >= kMaxDepth) {
    if (session != 0) shared().dropped.fetch_add(1, std::memory_order_relaxed);
    return static_cast<int>(level);
  }
  OpenScope& open = state->open[level];
  open.session = 0;
  if (session == 0 || !decode(open.event, attributes)) return static_cast<int>(level);
  ScopeEvent& event = open.event;
  if (event.kind == ScopeEvent::Kind::kModel) return static_cast<int>(level);
  event.thread = state->thread;
  event.id = shared().next_id.fetch_add(1, std::memory_order_relaxed);
  event.parent = event.kind == ScopeEvent::Kind::kStep ? 0 : enclosing_step(*state);
  if (event.kind == ScopeEvent::Kind::kStep) {
    shared().current_step.store(event.id, std::memory_order_relaxed);
    if (const StepListener* listener = shared().listener.load(std::memory_order_acquire))
      listener->begin(listener->context, event.id, event.payload.step);
  }
  open.session = session;
  event.begin = now();  // last, so that our own work is outside the scope
  return static_cast<int>(level);
}

int NVTX_API on_pop(nvtxDomainHandle_t domain) {
  if (domain != our_domain()) return 0;
  const Timestamp end = now();  // first, likewise
  ThreadState* state = this_thread();
  if (state == nullptr || state->depth == 0) return -1;
  const std::size_t level = --state->depth;
  if (level >= kMaxDepth) return static_cast<int>(level);
  OpenScope& open = state->open[level];
  if (open.session == 0) return static_cast<int>(level);
  if (open.event.kind == ScopeEvent::Kind::kStep) {
    ScopeId expected = open.event.id;
    shared().current_step.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
  }
  if (open.session == shared().session.load(std::memory_order_acquire)) {
    open.event.end = end;
    push_event(*state, open.event);
    const StepListener* listener = shared().listener.load(std::memory_order_acquire);
    if (listener != nullptr && open.event.kind == ScopeEvent::Kind::kStep)
      listener->end(listener->context, open.event.id);
  }
  return static_cast<int>(level);
}

void NVTX_API on_mark(nvtxDomainHandle_t domain, const nvtxEventAttributes_t* attributes) {
  if (domain != our_domain() || shared().session.load(std::memory_order_acquire) == 0) return;
  ScopeEvent event;
  if (!decode(event, attributes) || event.kind != ScopeEvent::Kind::kModel) return;
  ThreadState* state = this_thread();
  if (state == nullptr) return;
  event.thread = state->thread;
  event.begin = event.end = now();
  push_event(*state, event);
}

nvtxDomainHandle_t NVTX_API on_domain_create(const char* name) {
  const bool ours = name != nullptr && std::string_view(name) == nvtx::kDomainName;
  return ours ? our_domain() : foreign_domain();
}

template <typename Function>
void install(NvtxFunctionTable table, unsigned int size, unsigned int id, Function function) {
  if (id < size && table[id] != nullptr)
    *table[id] = reinterpret_cast<NvtxFunctionPointer>(function);
}

}  // namespace

int initialize_injection(InjectionExportTable get_export_table) noexcept {
  const auto* callbacks =
      static_cast<const NvtxExportTableCallbacks*>(get_export_table(NVTX_ETID_CALLBACKS));
  if (callbacks == nullptr) return 0;
  NvtxFunctionTable table = nullptr;
  unsigned int size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) == 0) return 0;
  install(table, size, NVTX_CBID_CORE2_DomainCreateA, on_domain_create);
  install(table, size, NVTX_CBID_CORE2_DomainMarkEx, on_mark);
  install(table, size, NVTX_CBID_CORE2_DomainRangePushEx, on_push);
  install(table, size, NVTX_CBID_CORE2_DomainRangePop, on_pop);
  // A forked child records nothing: the file and the drain thread are its parent's.
  pthread_atfork([] { shared().mutex.lock(); }, [] { shared().mutex.unlock(); },
                 [] {
                   shared().session.store(0);
                   shared().current_step.store(0);
                   shared().mutex.unlock();
                 });
  shared().reached.store(true, std::memory_order_release);
  return 1;
}

bool scopes_heard() noexcept {
  link_injection_hook();
  nvtxInitialize(nullptr);  // any NVTX call settles who hears; this one does nothing else
  return shared().reached.load(std::memory_order_acquire) && nvtx::domain() == our_domain();
}

bool start_recording() noexcept {
  Shared& s = shared();
  const std::lock_guard lock(s.mutex);
  if (s.session.load(std::memory_order_relaxed) != 0) return false;
  s.dropped.store(0, std::memory_order_relaxed);
  if (++s.last_session == 0) ++s.last_session;
  s.session.store(s.last_session, std::memory_order_release);
  return true;
}

void stop_recording() noexcept { shared().session.store(0, std::memory_order_release); }

ScopeId current_scope() noexcept {
  const std::uint32_t session = shared().session.load(std::memory_order_acquire);
  if (session == 0) return 0;
  if (const ThreadState* state = known_state) {
    for (std::size_t i = std::min(state->depth, kMaxDepth); i-- > 0;) {
      if (state->open[i].session == session) return state->open[i].event.id;
    }
  }
  return shared().current_step.load(std::memory_order_relaxed);
}

void set_step_listener(const StepListener* listener) noexcept {
  shared().listener.store(listener, std::memory_order_release);
}

void drain_events(EventSink sink, void* context) {
  Shared& s = shared();
  std::vector<std::shared_ptr<ThreadState>> threads;
  {
    const std::lock_guard lock(s.mutex);
    threads = s.threads;
  }
  for (const auto& state : threads) {
    ScopeEvent event;
    while (state->ring.pop(event)) sink(context, event);
  }
  const std::lock_guard lock(s.mutex);
  std::erase_if(s.threads, [](const auto& state) {
    return state->finished.load(std::memory_order_acquire) && state->ring.empty();
  });
}

std::uint64_t take_dropped() noexcept {
  return shared().dropped.exchange(0, std::memory_order_relaxed);
}

double calibrate_scope_ns() noexcept {
  constexpr int kBatches = 9;
  constexpr int kScopes = 500;
  std::array<double, kBatches> costs{};
  for (double& cost : costs) {
    const Timestamp begin = now();
    for (int i = 0; i < kScopes; ++i) const nvtx::Op scope(nvtx::kOther, -1, "calibration");
    cost = static_cast<double>((now() - begin).ns) / kScopes;
    drain_events([](void*, const ScopeEvent&) {}, nullptr);
  }
  take_dropped();
  std::nth_element(costs.begin(), costs.begin() + kBatches / 2, costs.end());
  return costs[kBatches / 2];
}

}  // namespace rooftop::capture
