// Runs another program as a filter: text in, bytes out, no shell in between.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace rooftop {

struct ProgramResult {
  bool found = false;      // false: there is no such program on PATH
  bool timed_out = false;  // it was killed at the time limit
  int exit_status = -1;    // 128 + signal where one ended it
  std::string output;      // stdout
  std::string errors;      // stderr
};

// Starts argv[0] (looked up on PATH) with exactly these arguments, `input` as its standard input,
// and waits for its end. Input and output are anonymous files in memory, so neither side can block
// on the other. Throws std::system_error where the system refuses (no memory, no process).
ProgramResult run_filter(const std::vector<std::string>& argv, const std::string& input,
                         std::chrono::milliseconds time_limit);

}  // namespace rooftop
