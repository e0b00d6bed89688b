#include "inference/files/paths.h"

#include <filesystem>
#include <system_error>

namespace rooftop::inference {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

std::string join_path(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

std::string name_of_path(const std::string& path) {
  std::error_code ignored;
  const auto full = std::filesystem::weakly_canonical(path, ignored);
  return full.extension() == ".gguf" ? full.stem().string() : full.filename().string();
}

}  // namespace rooftop::inference
