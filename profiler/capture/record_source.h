// Something that yields records of a running process beside the scopes: a timeline of kernels,
// counters, samples. Plain records only: whoever records them stays behind this interface.
#pragma once

#include <string_view>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"
#include "profiler/core/records.h"

namespace rooftop::capture {

// Where records go. Called from one thread, the session's.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual StringId intern(std::string_view text) = 0;
  // An id that no other kernel of the trace has.
  virtual KernelId next_kernel() = 0;
  virtual void add(const KernelRecord& record) = 0;
  virtual void add(const CounterRecord& record) = 0;
  virtual void add(const SampleRecord& record) = 0;
  virtual void add(const MemcpyRecord& record) = 0;
  virtual void add(const DropRecord& record) = 0;
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // Before the work that is to be recorded. A failure is one sentence that says why and what to do;
  // the source then does nothing more.
  virtual Status start() noexcept = 0;

  // Hands over what has come since the last call: every 50 ms, and once more after stop().
  virtual void drain(RecordSink& sink) = 0;

  // Asks for what is still held back, every 250 ms, so that a killed process loses little.
  virtual void flush() noexcept {}

  // Whether pause() and resume() do anything: they leave out whole steps cheaply, between two
  // steps, on the engine's thread.
  [[nodiscard]] virtual bool can_pause() const noexcept { return false; }
  virtual void pause() noexcept {}
  virtual void resume() noexcept {}

  // The session is about to end: nothing new is worth starting. From any thread.
  virtual void ending() noexcept {}

  // Ends recording. May wait for the device.
  virtual void stop() noexcept = 0;

  // What became known: devices, notes, cost. Called once, after the last drain().
  virtual void describe(Meta& meta) const = 0;
};

}  // namespace rooftop::capture
