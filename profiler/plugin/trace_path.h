// Which file this process's trace goes to.
#pragma once

#include <string>

#include "profiler/core/error.h"

namespace rooftop::plugin {

// A path, and what keeps other processes off it while this one lives.
struct TracePath {
  std::string path;
  int lock = -1;  // a descriptor; -1: none
};

// From ROOFTOP_OUTPUT:
// - NAME.rtrace: that file. Where a living process writes it, or one wrote it since this process
//   was started (a program that replaced itself by another), NAME-PID.rtrace.
// - a name with %p (process id) or %h (host's name), %% for a percent sign: with these filled in.
// - anything else is a folder, made where it is missing: PROGRAM-HOST-PID.rtrace in it.
// A name that was made up never replaces a file: -2, -3, ... is appended.
Status choose_trace_path(const std::string& output, TracePath& chosen);

}  // namespace rooftop::plugin
