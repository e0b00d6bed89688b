#include "profiler/capture/nvtx_scopes.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string>

#include "profiler/capture/injection_hook.h"
#include "profiler/capture/nvtx_recorder.h"
#include "profiler/capture/nvtx_threads.h"

namespace rooftop::capture {
namespace {

struct Shared {
  std::atomic<std::uint32_t> session{0};  // 0: nobody records
  std::atomic<std::uint32_t> last_session{0};
  std::atomic<bool> follow_all{false};  // stays: a range's end must find its beginning
  std::atomic<bool> record_all{false};
  std::atomic<ScopeId> next_id{1};
  std::atomic<ScopeId> current_step{0};
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> skipped{0};
  std::atomic<bool> reached{false};
  std::atomic<const StepListener*> listener{nullptr};
};
// Constant-initialised and never destroyed: engine threads may close scopes while the process ends.
constinit Shared shared;

// An event as it lies in a ring, followed by its payload and its name.
struct EventHead {
  ScopeEvent::Kind kind;
  std::uint8_t payload_size;
  std::uint16_t name_length;
  std::uint32_t thread;
  ScopeId id;
  ScopeId parent;
  Timestamp begin;
  Timestamp end;
};

std::uint8_t payload_size(ScopeEvent::Kind kind) noexcept {
  switch (kind) {
    case ScopeEvent::Kind::kStep:
      return sizeof(nvtx::StepPayload);
    case ScopeEvent::Kind::kOp:
      return sizeof(nvtx::OpPayload);
    case ScopeEvent::Kind::kModel:
      return sizeof(nvtx::ModelPayload);
    case ScopeEvent::Kind::kForeign:
      break;
  }
  return 0;
}

void count_drop() noexcept { shared.dropped.fetch_add(1, std::memory_order_relaxed); }

void push_event(ThreadScopes& scopes, const OpenScope& scope, Timestamp end,
                const char* name) noexcept {
  const EventHead head{.kind = scope.kind,
                       .payload_size = payload_size(scope.kind),
                       .name_length = scope.name_length,
                       .thread = scopes.thread,
                       .id = scope.id,
                       .parent = scope.parent,
                       .begin = scope.begin,
                       .end = end};
  std::byte* to = scopes.ring.reserve(sizeof head + head.payload_size + head.name_length);
  if (to == nullptr) return count_drop();
  std::memcpy(to, &head, sizeof head);
  std::memcpy(to + sizeof head, &scope.payload, head.payload_size);
  std::memcpy(to + sizeof head + head.payload_size, name, head.name_length);
  scopes.ring.commit();
}

// Sizes are the caller's word: a shorter payload than we know (an older header) is copied as far as
// it goes, the rest keeps its defaults.
template <typename T>
void copy_payload(T& to, const nvtxPayloadData_t& from) noexcept {
  to = T{};
  std::memcpy(&to, from.payload, std::min(sizeof(T), from.size));
}

// Fills kind and payload; false for what is not recorded.
bool describe(OpenScope& scope, const RangeStart& range) noexcept {
  if (range.domain != our_domain()) {
    scope.kind = ScopeEvent::Kind::kForeign;
    return shared.record_all.load(std::memory_order_relaxed);
  }
  if (range.payload == nullptr) return false;
  switch (range.payload->schemaId) {
    case nvtx::kStepSchema:
      scope.kind = ScopeEvent::Kind::kStep;
      copy_payload(scope.payload.step, *range.payload);
      return true;
    case nvtx::kOpSchema:
      scope.kind = ScopeEvent::Kind::kOp;
      copy_payload(scope.payload.op, *range.payload);
      return true;
    default:
      return false;
  }
}

// The innermost range that is open here and recorded, steps only if asked for; else the step that
// any thread has open (worker threads of an engine).
ScopeId innermost(const ThreadScopes* scopes, std::uint32_t session, bool steps_only) noexcept {
  for (std::size_t i = scopes == nullptr ? 0 : scopes->depth; i-- > 0;) {
    const OpenScope& open = scopes->open[i];
    if (open.session != session) continue;
    if (!steps_only || open.kind == ScopeEvent::Kind::kStep) return open.id;
  }
  return shared.current_step.load(std::memory_order_relaxed);
}

int level_within_domain(const ThreadScopes& scopes, nvtxDomainHandle_t domain) noexcept {
  for (std::size_t i = scopes.depth; i-- > 0;) {
    if (scopes.open[i].domain == domain) return scopes.open[i].level + 1;
  }
  return 0;
}

void begin_step(const OpenScope& scope) noexcept {
  shared.current_step.store(scope.id, std::memory_order_relaxed);
  if (const StepListener* listener = shared.listener.load(std::memory_order_acquire))
    listener->begin(listener->context, scope.id, scope.payload.step);
}

void end_step(ScopeId id, bool recorded) noexcept {
  ScopeId expected = id;
  shared.current_step.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
  const StepListener* listener = shared.listener.load(std::memory_order_acquire);
  if (recorded && listener != nullptr) listener->end(listener->context, id);
}

// One signal handler's range inside another range's bookkeeping is told apart by this.
class Busy {
 public:
  explicit Busy(ThreadScopes& scopes) noexcept : scopes_(scopes) { set(true); }
  ~Busy() { set(false); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  void set(bool value) noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    scopes_.busy = value;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ThreadScopes& scopes_;
};

// Opens `scope`, the next free one.
void open(ThreadScopes& scopes, OpenScope& scope, const RangeStart& range) noexcept {
  scope.domain = range.domain;
  scope.level = level_within_domain(scopes, range.domain);
  scope.session = 0;
  scope.name_offset = static_cast<std::uint32_t>(scopes.names_used);
  scope.name_length = 0;
  const std::uint32_t session = shared.session.load(std::memory_order_acquire);
  if (session != 0 && describe(scope, range)) {
    const std::size_t room = std::min(kMaxScopeName, scopes.names.size() - scopes.names_used);
    scope.name_length = static_cast<std::uint16_t>(
        copy_text(range.message, scopes.names.data() + scopes.names_used, room));
    scopes.names_used += scope.name_length;
    scope.id = shared.next_id.fetch_add(1, std::memory_order_relaxed);
    scope.parent = scope.kind == ScopeEvent::Kind::kStep
                       ? 0
                       : innermost(&scopes, session, scope.kind == ScopeEvent::Kind::kOp);
    if (scope.kind == ScopeEvent::Kind::kStep) begin_step(scope);
    scope.session = session;
  }
  ++scopes.depth;
}

// Takes a range out of the stack: nearly always the top one, but ranges of two domains may cross.
void erase(ThreadScopes& scopes, std::size_t index) noexcept {
  const std::uint16_t length = scopes.open[index].name_length;
  const std::size_t name_end = scopes.open[index].name_offset + length;
  char* names = scopes.names.data();
  std::memmove(names + name_end - length, names + name_end, scopes.names_used - name_end);
  scopes.names_used -= length;
  --scopes.depth;
  for (std::size_t i = index; i < scopes.depth; ++i) {
    scopes.open[i] = scopes.open[i + 1];
    scopes.open[i].name_offset -= length;
  }
}

void close(ThreadScopes& scopes, OpenScope& scope, Timestamp end) noexcept {
  if (scope.session == 0) return;
  const bool recorded = scope.session == shared.session.load(std::memory_order_acquire);
  if (recorded) push_event(scopes, scope, end, scopes.names.data() + scope.name_offset);
  if (scope.kind == ScopeEvent::Kind::kStep) end_step(scope.id, recorded);
}

// A forked child records nothing: the file and the drain thread are its parent's.
void after_fork_in_child() noexcept {
  shared.session.store(0);
  shared.current_step.store(0);
  shared.listener.store(nullptr);
  forget_other_threads();
}

}  // namespace

int open_range(const RangeStart& range) noexcept {
  if (range.domain != our_domain() && !shared.follow_all.load(std::memory_order_relaxed))
    return NVTX_NO_PUSH_POP_TRACKING;
  ThreadScopes* scopes = this_thread();
  if (scopes == nullptr || scopes->busy || scopes->depth == kMaxScopeDepth) {
    if (scopes != nullptr && !scopes->busy) ++scopes->overflow;
    if (shared.session.load(std::memory_order_relaxed) != 0) count_drop();
    return NVTX_NO_PUSH_POP_TRACKING;
  }
  const Busy busy(*scopes);
  OpenScope& scope = scopes->open[scopes->depth];
  open(*scopes, scope, range);
  if (scope.session != 0) scope.begin = now();  // last, so that our own work is outside the scope
  return scope.level;
}

int close_range(nvtxDomainHandle_t domain) noexcept {
  const Timestamp end = now();  // first, likewise
  ThreadScopes* scopes = known_thread();
  if (scopes == nullptr || scopes->busy) return NVTX_NO_PUSH_POP_TRACKING;
  if (scopes->overflow > 0) {
    --scopes->overflow;
    return NVTX_NO_PUSH_POP_TRACKING;
  }
  const Busy busy(*scopes);
  for (std::size_t i = scopes->depth; i-- > 0;) {
    OpenScope& scope = scopes->open[i];
    if (scope.domain != domain) continue;
    const int level = scope.level;
    close(*scopes, scope, end);
    erase(*scopes, i);
    return level;
  }
  return NVTX_NO_PUSH_POP_TRACKING;
}

void mark(const RangeStart& range) noexcept {
  if (range.domain != our_domain() || range.payload == nullptr ||
      range.payload->schemaId != nvtx::kModelSchema ||
      shared.session.load(std::memory_order_acquire) == 0)
    return;
  ThreadScopes* scopes = this_thread();
  if (scopes == nullptr || scopes->busy) return count_drop();
  const Busy busy(*scopes);
  OpenScope model;
  model.kind = ScopeEvent::Kind::kModel;
  copy_payload(model.payload.model, *range.payload);
  std::array<char, kMaxScopeName> name;
  model.name_length =
      static_cast<std::uint16_t>(copy_text(range.message, name.data(), name.size()));
  model.begin = now();
  push_event(*scopes, model, model.begin, name.data());
}

void skip_range() noexcept {
  if (shared.record_all.load(std::memory_order_relaxed) &&
      shared.session.load(std::memory_order_relaxed) != 0)
    shared.skipped.fetch_add(1, std::memory_order_relaxed);
}

void set_reached() noexcept {
  [[maybe_unused]] static const int once = pthread_atfork(nullptr, nullptr, after_fork_in_child);
  shared.reached.store(true, std::memory_order_release);
}

bool scopes_heard() noexcept {
  link_injection_hook();
  nvtxInitialize(nullptr);  // any NVTX call settles who hears; this one does nothing else
  return shared.reached.load(std::memory_order_acquire) && nvtx::domain() == our_domain();
}

bool start_recording(Ranges ranges) noexcept {
  std::uint32_t session = shared.last_session.fetch_add(1) + 1;
  if (session == 0) session = shared.last_session.fetch_add(1) + 1;
  std::uint32_t nobody = 0;
  if (!shared.session.compare_exchange_strong(nobody, session)) return false;
  shared.dropped.store(0, std::memory_order_relaxed);
  shared.skipped.store(0, std::memory_order_relaxed);
  shared.record_all.store(ranges == Ranges::kAll, std::memory_order_relaxed);
  if (ranges == Ranges::kAll) shared.follow_all.store(true, std::memory_order_relaxed);
  return true;
}

void stop_recording() noexcept { shared.session.store(0, std::memory_order_release); }

ScopeId current_scope() noexcept {
  const std::uint32_t session = shared.session.load(std::memory_order_acquire);
  return session == 0 ? 0 : innermost(known_thread(), session, false);
}

std::uint32_t current_operator() noexcept {
  const std::uint32_t session = shared.session.load(std::memory_order_acquire);
  const ThreadScopes* scopes = session == 0 ? nullptr : known_thread();
  for (std::size_t i = scopes == nullptr ? 0 : scopes->depth; i-- > 0;) {
    const OpenScope& open = scopes->open[i];
    if (open.session != session) continue;
    if (open.kind == ScopeEvent::Kind::kOp) return open.payload.op.op;
    if (open.kind == ScopeEvent::Kind::kStep) return 0;
  }
  return 0;
}

void set_step_listener(const StepListener* listener) noexcept {
  shared.listener.store(listener, std::memory_order_release);
}

namespace {

// One event out of a ring. `text` keeps what the views point to.
ScopeEvent decode(const std::byte* bytes, std::string& text) {
  EventHead head;
  std::memcpy(&head, bytes, sizeof head);
  ScopeEvent event;
  event.kind = head.kind;
  event.thread = head.thread;
  event.id = head.id;
  event.parent = head.parent;
  event.begin = head.begin;
  event.end = head.end;
  std::memcpy(&event.payload, bytes + sizeof head, head.payload_size);
  const char* name = reinterpret_cast<const char*>(bytes + sizeof head + head.payload_size);
  const std::string_view whole{name, head.name_length};
  if (head.kind != ScopeEvent::Kind::kForeign) {
    text = whole;
    event.name = text;
    return event;
  }
  const TorchName parts = split_torch_name(whole);
  text.assign(parts.name).push_back('\0');
  text += parts.args;
  event.name = std::string_view(text).substr(0, parts.name.size());
  event.args = std::string_view(text).substr(parts.name.size() + 1);
  return event;
}

}  // namespace

void drain_events(EventSink sink, void* context) {
  std::string text;
  for (ThreadScopes* t = all_threads(); t != nullptr; t = t->next) {
    t->ring.consume([&](const std::byte* bytes, std::size_t /*size*/) {
      const ScopeEvent event = decode(bytes, text);
      sink(context, event);
    });
  }
}

std::uint64_t take_dropped() noexcept {
  return shared.dropped.exchange(0, std::memory_order_relaxed);
}

std::uint64_t skipped_ranges() noexcept { return shared.skipped.load(std::memory_order_relaxed); }

double calibrate_scope_ns() noexcept {
  constexpr int kBatches = 9;
  constexpr int kScopes = 200;  // no more than the smallest ring takes
  ThreadScopes* scopes = this_thread();
  if (scopes == nullptr) return 0;
  const nvtx::OpPayload op{nvtx::kOther, -1, 0};
  nvtxPayloadData_t payload{};
  payload.schemaId = nvtx::kOpSchema;
  payload.size = sizeof op;
  payload.payload = &op;
  RangeStart range{.domain = our_domain(), .message = {}, .payload = &payload};
  range.message.type = NVTX_MESSAGE_TYPE_ASCII;
  range.message.value.ascii = "calibration";
  std::array<double, kBatches> costs{};
  for (double& cost : costs) {
    const Timestamp begin = now();
    for (int i = 0; i < kScopes; ++i) {
      open_range(range);
      close_range(range.domain);
    }
    cost = static_cast<double>((now() - begin).ns) / kScopes;
    scopes->ring.consume([](const std::byte*, std::size_t) {});
  }
  take_dropped();
  std::nth_element(costs.begin(), costs.begin() + kBatches / 2, costs.end());
  return costs[kBatches / 2];
}

}  // namespace rooftop::capture
