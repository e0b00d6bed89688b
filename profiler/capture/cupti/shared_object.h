// Finding a library at run time without harm: one that the process already holds is shared.
#pragma once

#include <string>
#include <vector>

namespace rooftop::capture {

struct SharedObject {
  void* handle =
      nullptr;       // never closed: its threads and callbacks may live as long as the process
  std::string path;  // as the linker knows it
};

// Path of the loaded object whose file name begins with `stem` ("libcupti.so"); empty: none. Wheels
// carry libraries under names of their own, which RTLD_NOLOAD alone does not find.
std::string loaded_object(const std::string& stem);

// The loaded copy, else the first of `candidates` (names or paths) that can be opened. `handle` is
// null where none can; `path` then holds the linker's last message.
SharedObject open_shared(const std::string& stem, const std::vector<std::string>& candidates);

}  // namespace rooftop::capture
