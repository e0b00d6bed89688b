#include "profiler/capture/cupti/shared_object.h"

#include <dlfcn.h>
#include <link.h>

namespace rooftop::capture {
namespace {

struct Search {
  const std::string& stem;
  std::string found;
};

int compare(dl_phdr_info* info, std::size_t /*size*/, void* data) {
  auto& search = *static_cast<Search*>(data);
  const std::string path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  const std::string name = path.substr(path.find_last_of('/') + 1);
  if (!name.starts_with(search.stem)) return 0;
  search.found = path;
  return 1;
}

}  // namespace

std::string loaded_object(const std::string& stem) {
  Search search{.stem = stem, .found = {}};
  dl_iterate_phdr(compare, &search);
  return search.found;
}

SharedObject open_shared(const std::string& stem, const std::vector<std::string>& candidates) {
  if (const std::string loaded = loaded_object(stem); !loaded.empty()) {
    if (void* handle = dlopen(loaded.c_str(), RTLD_NOW | RTLD_NOLOAD)) return {handle, loaded};
  }
  SharedObject out;
  for (const std::string& candidate : candidates) {
    out.handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (out.handle != nullptr) {
      const std::string path = loaded_object(stem);
      out.path = path.empty() ? candidate : path;
      return out;
    }
    if (const char* message = dlerror()) out.path = message;
  }
  return out;
}

}  // namespace rooftop::capture
