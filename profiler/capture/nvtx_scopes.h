// Hears the scopes that an engine opens through rooftop/nvtx.h: NVTX's own injection hook, so that
// a process is heard in the same words whether the tool is linked in (as here) or loaded from
// outside.
//
// An engine thread that opens or closes a scope does no more than take the time and push one event
// into a ring of its own; a full ring counts a drop. Nothing here throws, allocates after a
// thread's first scope, or waits.
#pragma once

#include <array>
#include <cstdint>

#include "profiler/core/records.h"
#include "rooftop/nvtx.h"

namespace rooftop::capture {

// A closed scope (or a description of the model) as it leaves the engine's thread.
struct ScopeEvent {
  enum class Kind : std::uint8_t { kStep, kOp, kModel };
  Kind kind = Kind::kOp;
  std::uint32_t thread = 0;
  ScopeId id = 0;
  ScopeId parent = 0;
  Timestamp begin;
  Timestamp end;
  std::array<char, 48> name{};  // cut where longer, always ended by 0
  union Payload {
    nvtx::StepPayload step;
    nvtx::OpPayload op;
    nvtx::ModelPayload model;
    Payload() : op{} {}
  } payload;
};

// Whether NVTX calls of this program's own binary reach us: false where another tool was injected
// (NVTX_INJECTION64_PATH). Settles NVTX's initialisation on the first call.
bool scopes_heard() noexcept;

// Starts and stops recording. Scopes open at either moment are not recorded. One recorder at a
// time: false if another is at work.
bool start_recording() noexcept;
void stop_recording() noexcept;

// The innermost scope that the calling thread has open and that is being recorded; else the step
// that any thread has open; 0: none. What a launch on this thread belongs to.
ScopeId current_scope() noexcept;

// Told of every recorded step, on the engine's own thread: `begin` before the step's time begins,
// `end` after it has ended. For what must start and stop with a step, hardware counters above all.
struct StepListener {
  void (*begin)(void* context, ScopeId step, const nvtx::StepPayload& payload) noexcept = nullptr;
  void (*end)(void* context, ScopeId step) noexcept = nullptr;
  void* context = nullptr;
};
// Null: nobody. The listener must outlive the recording. Between recordings only.
void set_step_listener(const StepListener* listener) noexcept;

// Hands over every event that is waiting, thread by thread, in each thread's order. From one thread
// at a time.
using EventSink = void (*)(void* context, const ScopeEvent& event);
void drain_events(EventSink sink, void* context);

// Events lost to full rings, or to scopes nested deeper than 64, since the last call.
std::uint64_t take_dropped() noexcept;

// Cost of one scope (open + close) while recording, in nanoseconds: the median of several batches
// on this thread, whose events are thrown away. Only between start_recording() and the engine's
// first scope.
double calibrate_scope_ns() noexcept;

}  // namespace rooftop::capture
