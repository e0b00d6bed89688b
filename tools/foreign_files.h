// Other profilers' recordings among the inputs of a command.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace rooftop::tools {

// A folder of its own, removed with all that it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();  // throws InputError
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The recordings that `inputs` name: files as they are given, and of folders the files that can be
// imported, by name. Throws InputError for a folder without any.
std::vector<std::string> foreign_files(const std::vector<std::string>& inputs);

// `inputs` for a report: recordings of other profilers imported into `folder`, which is made where
// one is needed and must live as long as the report is made. Traces, and folders of traces, stay as
// they are.
class ReportInputs {
 public:
  explicit ReportInputs(const std::vector<std::string>& inputs);
  ~ReportInputs();
  ReportInputs(const ReportInputs&) = delete;
  ReportInputs& operator=(const ReportInputs&) = delete;

  [[nodiscard]] const std::vector<std::string>& traces() const { return traces_; }

 private:
  void import(const std::string& file);

  std::vector<std::string> traces_;
  std::unique_ptr<TemporaryFolder> folder_;
};

}  // namespace rooftop::tools
