// Hears the scopes that an engine opens through rooftop/nvtx.h, and, where asked to, every other
// NVTX range: NVTX's own injection hook, so that a process is heard in the same words whether the
// tool is linked in or loaded from outside (the plugin).
//
// An engine thread that opens or closes a scope does no more than take the time and push one event
// into a ring of its own; a full ring counts a drop. Nothing here throws, takes a lock, waits, or
// allocates once a domain or a registered string is known.
#pragma once

#include <cstdint>
#include <string_view>

#include "profiler/core/records.h"
#include "rooftop/nvtx.h"

namespace rooftop::capture {

// A closed scope (or a description of the model) as it leaves the engine's thread.
struct ScopeEvent {
  enum class Kind : std::uint8_t { kStep, kOp, kModel, kForeign };
  Kind kind = Kind::kOp;
  std::uint32_t thread = 0;
  ScopeId id = 0;
  ScopeId parent = 0;
  Timestamp begin;
  Timestamp end;
  // Valid while the sink is called, and ended by 0. Names are cut after 1023 bytes.
  std::string_view name;
  std::string_view args;  // foreign ranges: input shapes, where the name held some
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

// Which ranges are recorded: those of rooftop/nvtx.h, or also those of every other domain
// (PyTorch's emit_nvtx, vLLM's and TensorRT-LLM's layers), as kForeign.
enum class Ranges : std::uint8_t { kOurs, kAll };

// Starts and stops recording. Scopes open at either moment are not recorded. One recorder at a
// time: false if another is at work.
bool start_recording(Ranges ranges = Ranges::kOurs) noexcept;
void stop_recording() noexcept;

// The innermost scope that the calling thread has open and that is being recorded; else the step
// that any thread has open; 0: none. What a launch on this thread belongs to.
ScopeId current_scope() noexcept;

// The operator of the innermost such scope of the calling thread that is one (nvtx::Operator);
// 0: none.
std::uint32_t current_operator() noexcept;

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

// Events lost to full rings, to scopes nested deeper than 128, or in more than 4096 threads at a
// time, since the last call.
std::uint64_t take_dropped() noexcept;

// Ranges that were started and ended apart (nvtxRangeStart), which are not recorded, since
// recording began.
std::uint64_t skipped_ranges() noexcept;

// What recording adds to one scope (open + close), in nanoseconds: the median of several batches on
// this thread, whose events are thrown away. Only between start_recording() and the first
// drain_events().
double calibrate_scope_ns() noexcept;

}  // namespace rooftop::capture
