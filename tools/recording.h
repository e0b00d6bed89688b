// A command's recording and what becomes of it: a trace that is kept (-o NAME.rtrace), a report
// folder with the trace in it (-o DIR), or, without -o, a table and nothing left behind.
#pragma once

#include <string>
#include <vector>

#include "profiler/capture/gpu_sources.h"
#include "profiler/capture/session.h"

namespace rooftop::tools {

// What is recorded beside the scopes.
struct RecordingOptions {
  bool host_kernels = true;  // operators run on the CPU, within their scopes
  std::vector<capture::SourceMaker> sources = {};
  double overhead_budget = 0;  // share of the run's time; 0: no limit
};

class Recording {
 public:
  // Starts at once, with the trace's first META frame. Throws InputError where that cannot be. What
  // cannot be recorded beside the scopes is left out, with a warning on stderr.
  Recording(const std::string& output, Meta meta, RecordingOptions how = {});
  ~Recording();  // removes a trace that nobody asked for
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  void add_meta(const Meta& meta);

  // Completes the trace; throws InputError with the recording's first failure.
  void finish();

  // After finish(): runs `arguments`, this program's own, with -o FILE for a trace of hardware
  // counters, and joins what it counted into this one. Where that fails the trace stays as it is,
  // with a warning on stderr.
  void add_counters(std::vector<std::string> arguments);

  // After finish(): the report folder and the table on stdout, or for -o NAME.rtrace a hint on
  // stderr. With `json` nothing is printed on stdout.
  void present(bool json) const;

  // Where the trace is; empty where it is not kept.
  [[nodiscard]] std::string kept_trace() const;

 private:
  enum class Kind { kTrace, kFolder, kNone };
  Kind kind_ = Kind::kNone;
  std::string folder_;
  std::string trace_;
  capture::Session session_;
};

}  // namespace rooftop::tools
