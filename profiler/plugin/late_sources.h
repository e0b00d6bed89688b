// Sources of a session that were not there when it began: the session of a process may start with
// the first NVTX range, long before anything of CUDA is loaded.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/gpu_sources.h"
#include "profiler/capture/record_source.h"

namespace rooftop::plugin {

class LateSources : public capture::RecordSource {
 public:
  // `output` grows no further than `max_bytes` (0: no limit) and a quarter of a second's records.
  // `pausable`: what will start can leave out steps, so that a budget of overhead can be kept.
  LateSources(std::string output, std::uint64_t max_bytes, bool pausable = false);

  struct Plan {
    std::vector<capture::SourceMaker> now;  // on the calling thread, which is in cuInit()
    // On the session's, when cuInit() has returned: what needs a working driver cannot start
    // earlier.
    std::vector<capture::SourceMaker> after_init;
    std::vector<capture::SourceMaker> instead;  // where not one of the others could start
    void (*when_ready)() noexcept = nullptr;    // on the session's thread, then
  };
  // Once.
  void begin(Plan plan) noexcept;

  Status start() noexcept override { return {}; }
  void drain(capture::RecordSink& sink) override;
  void flush() noexcept override;
  [[nodiscard]] bool can_pause() const noexcept override;
  void pause() noexcept override;
  void resume() noexcept override;
  void ending() noexcept override { ending_.store(true, std::memory_order_release); }
  void stop() noexcept override;
  void describe(Meta& meta) const override;

 private:
  static constexpr std::size_t kMaxSources = 8;

  void start_one(const capture::SourceMaker& make);
  void start_when_ready();
  void stop_at_limit();

  const std::string output_;
  const std::uint64_t max_bytes_;
  const bool pausable_;
  // Filled from the front, by one thread at a time; `count_` says how far others may look.
  std::array<std::unique_ptr<capture::RecordSource>, kMaxSources> sources_;
  std::atomic<std::size_t> count_{0};
  Plan plan_;
  std::atomic<bool> awaits_driver_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<bool> ending_{false};
  std::vector<Note> refusals_;
  bool at_limit_ = false;
};

}  // namespace rooftop::plugin
