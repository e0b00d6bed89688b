// Any bytes as an SQLite export of Nsight Systems. Nothing but InputError may come out, and what is
// written must be a trace.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "profiler/core/error.h"
#include "profiler/trace/reader.h"
#include "tools/import/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rooftop::import;
  static const std::string output = "/dev/shm/fuzz-" + std::to_string(getpid()) + ".rtrace";
  try {
    import_nsys({reinterpret_cast<const std::byte*>(data), size}, output, {});
  } catch (const rooftop::InputError&) {
    return 0;
  }
  rooftop::trace::Reader reader(output);
  rooftop::trace::Visitor nothing;
  reader.read(nothing);
  return 0;
}
