// This command once more, as a child process: what CUPTI allows once per process (a timeline, a
// counter session) is spread over several.
#pragma once

#include <string>
#include <vector>

#include "tools/commands.h"
#include "tools/progress.h"

namespace rooftop::tools {

struct ChildResult {
  int status = 0;          // exit status; 128 + N where signal N ended it
  std::string last_words;  // its last line on stderr, without "rooftop: "
};

// Runs this program with `arguments`; its progress becomes `progress`, its stdout is dropped.
// Throws InputError where no process can be started.
ChildResult run_again(const std::vector<std::string>& arguments, Progress& progress);

// The command lines that ask for these options, without --output, --json and what prints: those are
// the caller's.
std::vector<std::string> arguments_of(const RunOptions& options);
std::vector<std::string> arguments_of(const SweepOptions& options);

}  // namespace rooftop::tools
