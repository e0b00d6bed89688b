// Names of kernels as tools show them: demangled, each once.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "profiler/core/records.h"

namespace rooftop::capture {

class RecordSink;

// `name` as written in the source; the text itself where it is no mangled name.
std::string demangled(const char* name);

class ActivityNames {
 public:
  // The sink's id of the demangled name. Found by text, not by address: a name's memory goes with
  // the module that it is of. Null is the empty name.
  StringId intern(const char* name, RecordSink& sink);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, StringId, Hash, std::equal_to<>> known_;
};

}  // namespace rooftop::capture
