// One recording of this process: hears scopes, turns them into records, writes them to a trace file
// from a thread of its own. On a failure (a full disk, say) it stops writing, keeps the engine
// running, and says so at the end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"
#include "profiler/core/error.h"
#include "profiler/core/meta.h"

namespace rooftop::capture {

struct SessionOptions {
  std::string output;  // path of the .rtrace file
  Meta meta;  // what is known before the run; a model described through NVTX fills in the rest
  bool host_kernels = true;  // every operator scope is also a launch on device 0: right where
                             // operators run on the CPU
  // The process is somebody else's, and its ranges arrive through the plugin: those of all domains
  // are recorded.
  bool injected = false;
  // Make what records beside the scopes (null: nothing), in the order in which they are started: a
  // source is made after the file was opened. One that cannot start is left out; notes() and the
  // trace say why.
  std::vector<std::function<std::unique_ptr<RecordSource>()>> sources = {};
  // Share of the run's time that sources may cost: they then leave out steps. 0: no limit.
  double overhead_budget = 0;
};

class Session {
 public:
  Session();
  ~Session();  // stops
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Writes the first META frame and starts to listen. Fails with one sentence where the file cannot
  // be written, another NVTX tool holds the process, or another session is at work.
  Status start(const SessionOptions& options) noexcept;

  // Facts that become known during the run (skipped cells of a sweep, ...).
  Status add_meta(const Meta& meta) noexcept;

  // Stops listening, writes what is left and the cost of having been profiled. The first error of
  // the session, if any.
  Status stop() noexcept;

  // Why sources were left out, one sentence each.
  [[nodiscard]] const std::vector<Note>& notes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rooftop::capture
