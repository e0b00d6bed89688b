// Runs the host program with and without the plugin, and reads the traces it leaves.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/core/records.h"

namespace rooftop::plugin::testing {

struct Ended {
  std::string out;
  std::string err;
  int status = 0;  // as waitpid() gives it
  bool operator==(const Ended&) const = default;
};

using Environment = std::map<std::string, std::string>;

// With nothing but `environment` around it. `prepare` runs in the child, before exec.
Ended run_host(const std::vector<std::string>& arguments, const Environment& environment,
               void (*prepare)() = nullptr);

// What CUDA and NVTX look at, and where traces go.
Environment with_plugin(const std::string& output);

std::filesystem::path plugin_path();
std::filesystem::path host_path();

struct NamedScope {
  ScopeRecord record;
  std::string name;
  std::string args;
};
struct TraceContent {
  Meta meta;
  bool truncated = false;
  std::vector<NamedScope> scopes;
  std::vector<KernelRecord> kernels;
  std::uint64_t dropped = 0;

  [[nodiscard]] std::size_t count(const std::string& name) const;
  [[nodiscard]] const NamedScope* find(const std::string& name) const;
};
TraceContent read_trace(const std::filesystem::path& path);

// The *.rtrace files of a folder, by name.
std::vector<std::filesystem::path> traces_in(const std::filesystem::path& folder);

// A folder of the test's own, removed at its end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace rooftop::plugin::testing
