// The source behind make_counters(): what it does between a step's begin and its end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "profiler/capture/cupti/counter_launches.h"
#include "profiler/capture/cupti/counter_memo.h"
#include "profiler/capture/cupti/counter_rotation.h"
#include "profiler/capture/cupti/counter_setup.h"
#include "profiler/capture/cupti/range_session.h"
#include "profiler/capture/nvtx_scopes.h"

namespace rooftop::capture {

class RangeCounters : public RecordSource {
 public:
  RangeCounters(const CuptiApi& api, const CudaDriver& driver, CounterOptions options);
  ~RangeCounters() override { stop(); }
  RangeCounters(const RangeCounters&) = delete;
  RangeCounters& operator=(const RangeCounters&) = delete;

  Status start() noexcept override;
  void drain(RecordSink& sink) override;
  void stop() noexcept override;
  void describe(Meta& meta) const override;

  // What the step listener calls, on the engine's thread.
  void begin_step(ScopeId step, const nvtx::StepPayload& payload) noexcept;
  void end_step(ScopeId step) noexcept;

 private:
  // A counted step on its way to the session's thread.
  struct Counted {
    std::vector<CountedLaunch> launches;
    std::size_t configuration = 0;
    std::vector<double> values;  // launch by launch
    struct Known {
      std::size_t launch = 0;
      std::size_t configuration = 0;
      std::vector<double> values;
    };
    std::vector<Known> known;  // from the memo
  };

  Status prepare(CUcontext context);
  Status try_begin(ScopeId step, const nvtx::StepPayload& payload);
  Status try_end();
  Status take(HeardLaunches heard, std::size_t ranges);
  void recall(Counted& counted);
  void save(const Counted& counted);
  void unfit(const std::string& why);
  void give_up(const Status& why);
  void close() noexcept;
  void leave_context() noexcept;
  void context_ends(CUcontext context) noexcept;
  void emit(const Counted& counted, RecordSink& sink) const;

  const CuptiApi& api_;
  const CudaDriver& driver_;
  const CounterOptions options_;
  const StepListener listener_;
  std::atomic<pid_t> pid_{0};  // that started it; 0: not running
  // What the end of a context must know although another thread holds the lock.
  std::atomic<CUcontext> enabled_context_{nullptr};
  std::atomic<bool> context_gone_{false};

  mutable std::mutex mutex_;  // all below: steps on engine threads, drain() on the session's
  LaunchListener launches_;
  RangeSession session_;
  EarlyPlan early_;
  CounterSetup setup_;
  std::unique_ptr<CounterRotation> rotation_;
  FlopMemo memo_;
  bool running_ = false;      // between start() and stop(), nothing having failed
  bool initialized_ = false;  // the profiler
  bool ready_ = false;        // set up for a context
  ScopeId step_ = 0;          // the one being counted
  StepShape shape_;
  std::size_t configuration_ = 0;  // that it is counted in
  std::size_t max_ranges_ = 1024;
  bool started_ = false;  // it once was
  std::uint64_t steps_heard_ = 0;
  std::uint64_t counted_ = 0;
  std::uint64_t unfit_ = 0;
  std::uint64_t unfit_in_a_row_ = 0;
  std::string first_unfit_;
  std::uint64_t dropped_ = 0;  // ranges, for want of room
  std::uint64_t dropped_told_ = 0;
  std::uint64_t without_context_ = 0;
  std::uint64_t saved_ = 0;
  std::vector<std::string> notes_;
  std::deque<Counted> done_;
};

}  // namespace rooftop::capture
