#include <algorithm>
#include <filesystem>
#include <system_error>

#include "profiler/core/error.h"
#include "profiler/trace/reader.h"

namespace rooftop::trace {

std::vector<std::string> trace_files(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    throw InputError("There is no trace '" + path + "'; check the path.");
  }
  if (error) {
    throw InputError("The trace '" + path + "' cannot be looked at (" + error.message() +
                     "); check the path and its permissions.");
  }
  if (status.type() != fs::file_type::directory) return {path};

  std::vector<std::string> out;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->path().extension() == ".rtrace" && !it->is_directory(ignored)) {
      out.push_back(it->path().string());
    }
  }
  if (error) {
    throw InputError("The folder '" + path + "' cannot be listed (" + error.message() +
                     "); check its permissions.");
  }
  if (out.empty()) {
    throw InputError("The folder '" + path +
                     "' holds no *.rtrace file; give the folder or file that 'rooftop run -o' "
                     "wrote.");
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace rooftop::trace
