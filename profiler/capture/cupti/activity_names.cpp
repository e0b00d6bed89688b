#include "profiler/capture/cupti/activity_names.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

#include "profiler/capture/record_source.h"

namespace rooftop::capture {

std::string demangled(const char* name) {
  const std::string_view text(name);
  if (!text.starts_with("_Z")) return std::string(text);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 && plain != nullptr ? std::string(plain.get()) : std::string(text);
}

StringId ActivityNames::intern(const char* name, RecordSink& sink) {
  if (name == nullptr || *name == 0) return 0;
  const std::string_view text(name);
  const auto it = known_.find(text);
  if (it != known_.end()) return it->second;
  const StringId id = sink.intern(demangled(name));
  known_.emplace(text, id);
  return id;
}

}  // namespace rooftop::capture
