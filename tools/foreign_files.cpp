#include "tools/foreign_files.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "profiler/core/error.h"
#include "tools/import/import.h"
#include "tools/import/recognise.h"
#include "tools/progress.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

// Files of a folder, by name.
std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored)) out.push_back(it->path().string());
  }
  if (error) {
    throw InputError(fmt::format("The folder '{}' cannot be listed ({}); check its permissions.",
                                 folder, error.message()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> importable_files(const std::string& folder) {
  std::vector<std::string> out;
  for (const std::string& file : files_of(folder)) {
    if (import::importable(import::recognise_file(file))) out.push_back(file);
  }
  return out;
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool holds_traces(const std::string& folder) {
  const std::vector<std::string> files = files_of(folder);
  return std::any_of(files.begin(), files.end(),
                     [](const std::string& file) { return file.ends_with(".rtrace"); });
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  fs::path base = fs::temp_directory_path(error);
  if (error) base = "/tmp";
  std::string pattern = (base / "rooftop-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw InputError(fmt::format(
        "cannot make a folder in '{}': set TMPDIR to one that can be written.", base.string()));
  }
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> foreign_files(const std::vector<std::string>& inputs) {
  std::vector<std::string> out;
  for (const std::string& input : inputs) {
    if (!is_folder(input)) {
      out.push_back(input);
      continue;
    }
    const std::vector<std::string> found = importable_files(input);
    if (found.empty()) {
      throw InputError(fmt::format(
          "The folder '{}' holds no recording that can be imported: PyTorch profiler traces "
          "(.json, .json.gz), SQLite exports of Nsight Systems, CSV files of Nsight Compute.",
          input));
    }
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

ReportInputs::ReportInputs(const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (!is_folder(input)) {
      const bool regular = fs::is_regular_file(input, ignored);
      const import::FileKind kind =
          regular ? import::recognise_file(input) : import::FileKind::kTrace;
      if (kind == import::FileKind::kNcuReport || kind == import::FileKind::kNsysReport) {
        throw InputError(import::refusal(kind, input));
      }
      import::importable(kind) ? import(input) : traces_.push_back(input);
      continue;
    }
    const std::vector<std::string> found =
        holds_traces(input) ? std::vector<std::string>() : importable_files(input);
    for (const std::string& file : found) import(file);
    if (found.empty()) traces_.push_back(input);
  }
}

ReportInputs::~ReportInputs() = default;

void ReportInputs::import(const std::string& file) {
  if (!folder_) folder_ = std::make_unique<TemporaryFolder>();
  Progress progress("Importing " + fs::path(file).filename().string());
  import::ImportOptions options;
  options.run = import::run_name_of(file);
  options.progress = [&](double done) { progress.update(done); };
  traces_.push_back(folder_->file(fmt::format("{}.rtrace", traces_.size())));
  import::import_file(file, traces_.back(), options);
}

}  // namespace rooftop::tools
