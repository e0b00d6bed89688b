#include "profiler/plugin/late_sources.h"

#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "profiler/capture/nvtx_scopes.h"
#include "profiler/plugin/driver_state.h"
#include "profiler/plugin/message.h"

namespace rooftop::plugin {

LateSources::LateSources(std::string output, std::uint64_t max_bytes, bool pausable)
    : output_(std::move(output)), max_bytes_(max_bytes), pausable_(pausable) {}

void LateSources::begin(Plan plan) noexcept try {
  plan_ = std::move(plan);
  for (const capture::SourceMaker& make : plan_.now) start_one(make);
  awaits_driver_.store(true, std::memory_order_release);
} catch (const std::exception& e) {
  say(std::string("kernels are not recorded: ") + e.what());
}

void LateSources::start_one(const capture::SourceMaker& make) {
  const std::size_t used = count_.load(std::memory_order_relaxed);
  if (used == kMaxSources || ending_.load(std::memory_order_acquire)) return;
  std::unique_ptr<capture::RecordSource> source = make();
  if (source == nullptr) return;
  if (const Status started = source->start(); !started.ok()) {
    refusals_.push_back({started.message()});
    say(started.message());
    return;
  }
  sources_[used] = std::move(source);
  count_.store(used + 1, std::memory_order_release);
}

void LateSources::start_when_ready() {
  if (!awaits_driver_.load(std::memory_order_acquire) || !driver_is_ready()) return;
  awaits_driver_.store(false, std::memory_order_relaxed);
  if (plan_.when_ready != nullptr) plan_.when_ready();
  for (const capture::SourceMaker& make : plan_.after_init) start_one(make);
  if (count_.load(std::memory_order_relaxed) > 0) return;
  for (const capture::SourceMaker& make : plan_.instead) start_one(make);
}

void LateSources::drain(capture::RecordSink& sink) {
  if (!stopped_.load(std::memory_order_acquire)) start_when_ready();
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) sources_[i]->drain(sink);
}

void LateSources::flush() noexcept {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) sources_[i]->flush();
  if (max_bytes_ > 0) stop_at_limit();
}

void LateSources::stop_at_limit() {
  struct stat facts {};
  if (at_limit_ || stat(output_.c_str(), &facts) != 0 ||
      static_cast<std::uint64_t>(facts.st_size) < max_bytes_)
    return;
  at_limit_ = true;
  capture::stop_recording();
  stop();
  say("the trace has reached ROOFTOP_MAX_SIZE: nothing more is recorded");
}

bool LateSources::can_pause() const noexcept {
  const std::size_t count = count_.load(std::memory_order_acquire);
  if (count == 0) return pausable_;
  return std::any_of(sources_.begin(), sources_.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const auto& source) { return source->can_pause(); });
}

void LateSources::pause() noexcept {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    if (sources_[i]->can_pause()) sources_[i]->pause();
  }
}

void LateSources::resume() noexcept {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    if (sources_[i]->can_pause()) sources_[i]->resume();
  }
}

void LateSources::stop() noexcept {
  if (stopped_.exchange(true, std::memory_order_acq_rel)) return;
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) sources_[i]->stop();
}

void LateSources::describe(Meta& meta) const {
  const std::size_t count = count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) sources_[i]->describe(meta);
  meta.notes.insert(meta.notes.end(), refusals_.begin(), refusals_.end());
  if (at_limit_) {
    meta.notes.push_back(
        {"recording ended before the program: the trace had reached ROOFTOP_MAX_SIZE"});
  }
  if (const std::uint64_t skipped = capture::skipped_ranges(); skipped > 0) {
    meta.notes.push_back({std::to_string(skipped) +
                          (skipped == 1 ? " NVTX range was" : " NVTX ranges were") +
                          " started and ended apart (nvtxRangeStart) and not "
                          "recorded"});
  }
}

}  // namespace rooftop::plugin
