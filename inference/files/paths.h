// Paths that the user gives.
#pragma once

#include <string>

namespace rooftop::inference {

// Whether there is a file or folder of that name. Unlike std::filesystem's these never throw: what
// may not be looked at is not there.
bool exists(const std::string& path);
bool is_folder(const std::string& path);

std::string join_path(const std::string& folder, const std::string& name);

// The name a model goes by where its file gives none: the folder's name, or the file's less .gguf.
std::string name_of_path(const std::string& path);

}  // namespace rooftop::inference
