// Lets sources record the steps that the overhead budget allows, and remembers which were left out.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <unordered_set>

#include "profiler/capture/nvtx_scopes.h"
#include "profiler/capture/overhead_budget.h"
#include "profiler/capture/record_source.h"

namespace rooftop::capture {

// Hears steps on the engine's thread from construction to destruction, which lie outside a
// recording. The sources outlive it.
class StepGate {
 public:
  StepGate(std::span<const std::unique_ptr<RecordSource>> sources, double budget);
  ~StepGate();
  StepGate(const StepGate&) = delete;
  StepGate& operator=(const StepGate&) = delete;

  // Whether the step's kernels were left out; asked once a step, on the session's thread.
  bool was_left_out(ScopeId step);

  // What is known of the cost so far.
  struct Cost {
    bool measured = false;
    double per_step = 0;  // of a recorded step, relative
    double spent = 0;     // share of the run's time
    std::uint64_t left_out = 0;
  };
  [[nodiscard]] Cost cost();

 private:
  void begin(ScopeId step, const nvtx::StepPayload& payload) noexcept;
  void end(ScopeId step) noexcept;
  bool leave_out(ScopeId step) noexcept;

  std::span<const std::unique_ptr<RecordSource>> sources_;
  StepListener listener_;
  // Engines with several threads open steps of their own at once: one at a time is measured.
  std::mutex mutex_;
  OverheadBudget budget_;
  ScopeId current_ = 0;
  Timestamp began_;
  bool recording_ = true;
  std::unordered_set<ScopeId> left_out_;
};

}  // namespace rooftop::capture
