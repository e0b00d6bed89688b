// One recording of this process: hears scopes, turns them into records, writes them to a trace file
// from a thread of its own. On a failure (a full disk, say) it stops writing, keeps the engine
// running, and says so at the end.
#pragma once

#include <memory>
#include <string>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"

namespace rooftop::capture {

struct SessionOptions {
  std::string output;  // path of the .rtrace file
  Meta meta;  // what is known before the run; a model described through NVTX fills in the rest
  bool host_kernels = true;  // every operator scope is also a launch on device 0: right where
                             // operators run on the CPU
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

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rooftop::capture
