// A file of this build from a test's own place in it: a build that was carried to another machine,
// or to another folder, still finds it.
#pragma once

#include <filesystem>
#include <string>

namespace rooftop {

// Empty where no folder above the test has it.
inline std::filesystem::path build_file(const std::string& relative) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
       !folder.empty() && folder != folder.root_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / relative, error)) return folder / relative;
  }
  return {};
}

}  // namespace rooftop
