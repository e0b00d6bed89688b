#include "profiler/capture/step_gate.h"

#include <algorithm>
#include <exception>

namespace rooftop::capture {

StepGate::StepGate(std::span<const std::unique_ptr<RecordSource>> sources, double budget)
    : sources_(sources), budget_(budget) {
  listener_.context = this;
  listener_.begin = [](void* self, ScopeId step, const nvtx::StepPayload& payload) noexcept {
    static_cast<StepGate*>(self)->begin(step, payload);
  };
  listener_.end = [](void* self, ScopeId step) noexcept {
    static_cast<StepGate*>(self)->end(step);
  };
  set_step_listener(&listener_);
}

StepGate::~StepGate() { set_step_listener(nullptr); }

void StepGate::begin(ScopeId step, const nvtx::StepPayload& payload) noexcept {
  const std::lock_guard lock(mutex_);
  if (current_ != 0) {  // beside another thread's step, which was asked about: it goes along
    if (!recording_) leave_out(step);
    return;
  }
  const bool can_pause = std::any_of(sources_.begin(), sources_.end(),
                                     [](const auto& source) { return source->can_pause(); });
  if (!can_pause) return;
  const bool record = budget_.next({.phase = static_cast<Phase>(payload.phase),
                                    .batch = payload.batch,
                                    .query_tokens = payload.query_tokens,
                                    .length = payload.length,
                                    .warmup = (payload.flags & nvtx::kWarmup) != 0});
  if (!record && !leave_out(step)) return;  // the step is recorded
  current_ = step;
  if (record != recording_) {
    for (const auto& source : sources_) record ? source->resume() : source->pause();
    recording_ = record;
  }
  began_ = now();
}

// False: no memory to remember it.
bool StepGate::leave_out(ScopeId step) noexcept try {
  left_out_.insert(step);
  return true;
} catch (const std::exception&) {
  return false;
}

void StepGate::end(ScopeId step) noexcept {
  const Timestamp ended = now();
  const std::lock_guard lock(mutex_);
  if (current_ != step) return;
  current_ = 0;
  budget_.took(ended - began_);
}

bool StepGate::was_left_out(ScopeId step) {
  const std::lock_guard lock(mutex_);
  return left_out_.erase(step) > 0;
}

StepGate::Cost StepGate::cost() {
  const std::lock_guard lock(mutex_);
  return {.measured = budget_.measured(),
          .per_step = budget_.cost(),
          .spent = budget_.spent(),
          .left_out = budget_.left_out()};
}

}  // namespace rooftop::capture
