// `rooftop import`: other profilers' recordings as traces. The same readers serve `rooftop report`.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "profiler/core/error.h"
#include "profiler/join/join_traces.h"
#include "tools/commands.h"
#include "tools/foreign_files.h"
#include "tools/import/import.h"
#include "tools/import/recognise.h"
#include "tools/progress.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

struct Imported {
  std::string input;
  std::string output;
  import::ImportResult result;
};

Imported import_one(const std::string& input, const std::string& output, const std::string& run) {
  Progress progress("Importing " + fs::path(input).filename().string());
  import::ImportOptions options;
  options.run = run;
  options.progress = [&](double done) { progress.update(done); };
  return {input, output, import::import_file(input, output, options)};
}

void require_not_an_input(const std::string& output, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code error;
    if (fs::equivalent(output, input, error) && !error) {
      throw InputError(
          fmt::format("'{}' is an input, and would be overwritten: choose another -o.", output));
    }
  }
}

// A timeline and the counters of the same program: one trace.
Imported import_pair(const std::vector<std::string>& files, const std::string& output) {
  std::string timeline;
  std::vector<std::string> counters;
  for (const std::string& file : files) {
    if (import::recognise_file(file) == import::FileKind::kNcuCsv) {
      counters.push_back(file);
    } else if (timeline.empty()) {
      timeline = file;
    } else {
      throw InputError(fmt::format(
          "'{}' and '{}' are both timelines, and one trace holds one: give -o a folder for a trace "
          "each.",
          timeline, file));
    }
  }
  if (timeline.empty()) {
    throw InputError(
        "there are several files of counters and no timeline to join them with: give -o a folder "
        "for a trace each.");
  }
  const TemporaryFolder folder;
  const std::string base = folder.file("timeline.rtrace");
  Imported out = import_one(timeline, base, fs::path(output).stem().string());
  std::vector<std::string> counted;
  for (const std::string& file : counters) {
    counted.push_back(folder.file(fmt::format("counters{}.rtrace", counted.size())));
    out.result.counters += import_one(file, counted.back(), "counters").result.counters;
  }
  const join::JoinSummary joined = join::join_traces(base, counted, output);
  for (const std::string& sentence : join::describe(joined)) out.result.notes.push_back(sentence);
  out.output = output;
  return out;
}

std::vector<Imported> import_all(const ImportCommandOptions& options) {
  const std::vector<std::string> files = foreign_files(options.inputs);
  std::vector<Imported> out;
  if (options.output.ends_with(".rtrace")) {
    require_not_an_input(options.output, files);
    const std::string run = fs::path(options.output).stem().string();
    out.push_back(files.size() == 1 ? import_one(files.front(), options.output, run)
                                    : import_pair(files, options.output));
    return out;
  }
  std::error_code error;
  fs::create_directories(options.output, error);
  if (error || !fs::is_directory(options.output)) {
    throw InputError(fmt::format("cannot make the folder '{}': {}.", options.output,
                                 error ? error.message() : "a file of that name is in the way"));
  }
  std::set<std::string> taken;
  for (const std::string& file : files) {
    const std::string run = import::run_name_of(file);
    std::string name = run;
    for (int n = 2; !taken.insert(name).second; ++n) name = fmt::format("{}-{}", run, n);
    out.push_back(import_one(file, (fs::path(options.output) / (name + ".rtrace")).string(), name));
  }
  return out;
}

nlohmann::json json_of(const Imported& imported) {
  return {{"input", imported.input},
          {"trace", imported.output},
          {"capture", imported.result.capture},
          {"kernels", imported.result.kernels},
          {"copies", imported.result.copies},
          {"ranges", imported.result.ranges},
          {"counters", imported.result.counters},
          {"notes", imported.result.notes}};
}

}  // namespace

int import_command(const ImportCommandOptions& options) {
  const std::vector<Imported> all = import_all(options);
  if (options.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const Imported& imported : all) list.push_back(json_of(imported));
    fmt::print("{}\n", nlohmann::json{{"imported", std::move(list)}}.dump(
                           2, ' ', false, nlohmann::json::error_handler_t::replace));
    return 0;
  }
  for (const Imported& imported : all) {
    const import::ImportResult& result = imported.result;
    fmt::print("{}: {}, {} kernels, {} copies, {} ranges, {} counters\n", imported.output,
               result.capture, result.kernels, result.copies, result.ranges, result.counters);
    for (const std::string& sentence : result.notes) fmt::print("  {}\n", sentence);
  }
  return 0;
}

}  // namespace rooftop::tools
