#include "tools/recording.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "profiler/core/error.h"
#include "profiler/join/join_traces.h"
#include "tools/report_files.h"
#include "tools/run_again.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

std::string temporary_trace() {
  std::string path = (fs::temp_directory_path() / "rooftop-XXXXXX.rtrace").string();
  const int file = mkstemps(path.data(), 7);
  if (file < 0)
    throw InputError(fmt::format("cannot create a file in {}: give -o NAME.rtrace",
                                 fs::temp_directory_path().string()));
  close(file);
  return path;
}

std::string make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder)) {
    throw InputError(fmt::format("cannot make the folder {}: {}", folder,
                                 error ? error.message() : "a file of that name is in the way"));
  }
  return (fs::path(folder) / "trace.rtrace").string();
}

// The first column of points.csv: the trace's name without its ending, or the folder's.
std::string run_name(const std::string& output, const Meta& meta) {
  if (output.empty()) return meta.command;
  fs::path path = fs::path(output).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.extension() == ".rtrace" ? path.stem().string() : path.filename().string();
}

}  // namespace

Recording::Recording(const std::string& output, Meta meta, RecordingOptions how) {
  if (output.ends_with(".rtrace")) {
    kind_ = Kind::kTrace;
    trace_ = output;
  } else if (!output.empty()) {
    kind_ = Kind::kFolder;
    folder_ = output;
    trace_ = make_folder(output);
  } else {
    trace_ = temporary_trace();
  }
  meta.run = run_name(output, meta);
  const Status started = session_.start({.output = trace_,
                                         .meta = std::move(meta),
                                         .host_kernels = how.host_kernels,
                                         .sources = std::move(how.sources),
                                         .overhead_budget = how.overhead_budget});
  if (!started.ok()) {
    if (kind_ == Kind::kNone) fs::remove(trace_);
    throw InputError(started.message());
  }
  for (const Note& note : session_.notes()) fmt::print(stderr, "rooftop: {}\n", note.text);
}

Recording::~Recording() {
  (void)session_.stop();
  std::error_code ignored;
  if (kind_ == Kind::kNone) fs::remove(trace_, ignored);
}

void Recording::add_meta(const Meta& meta) {
  (void)session_.add_meta(meta);
}  // finish() reports it

void Recording::finish() {
  const Status stopped = session_.stop();
  if (!stopped.ok()) throw InputError("the recording failed: " + stopped.message());
}

void Recording::add_counters(std::vector<std::string> arguments) {
  const std::string counted = trace_ + ".counters.rtrace";
  const std::string joined = trace_ + ".joined.rtrace";
  const auto remove_both = [&] {
    std::error_code ignored;
    fs::remove(counted, ignored);
    fs::remove(joined, ignored);
  };
  try {
    arguments.push_back("--output=" + counted);
    ChildResult child;
    {
      Progress progress("Counting in a second run");
      child = run_again(arguments, progress);
    }
    if (child.status != 0)
      throw InputError(
          fmt::format("its second run ended with status {}: {}", child.status, child.last_words));
    join::join_traces(trace_, {counted}, joined);
    fs::rename(joined, trace_);
  } catch (const std::exception& e) {
    fmt::print(stderr, "rooftop: no hardware counters: {}\n", e.what());
  }
  remove_both();
}

void Recording::present(bool json) const {
  if (kind_ == Kind::kTrace) {
    if (!json) fmt::print(stderr, "Trace: {}   (see it with: rooftop report {})\n", trace_, trace_);
    return;
  }
  if (json && folder_.empty()) return;
  write_report({trace_}, {}, {.folder = folder_, .print = !json});
}

std::string Recording::kept_trace() const { return kind_ == Kind::kNone ? std::string() : trace_; }

}  // namespace rooftop::tools
