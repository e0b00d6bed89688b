// Progress on stderr, and only on a terminal: one line that is rewritten, with an estimate of what
// is left.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace rooftop::tools {

// With ROOFTOP_PROGRESS=lines, stderr gets "progress 0.25 cell 3 of 12" in lines: for a program
// that reads them.
inline constexpr const char* kProgressVariable = "ROOFTOP_PROGRESS";
inline constexpr std::string_view kProgressLines = "lines";
inline constexpr std::string_view kProgressLine = "progress ";

class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();  // clears the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` done, 0 to 1; `detail` stands behind it ("cell 3 of 12: ar, batch 4, length 512").
  void update(double fraction, std::string_view detail = {});

 private:
  const std::string what_;
  const bool terminal_;
  const bool lines_;
  const std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
  bool shown_ = false;
};

bool stderr_is_terminal();
bool stdout_is_terminal();
// Colours on stdout: a terminal that is not dumb, and NO_COLOR (no-color.org) unset or empty.
bool stdout_has_colour();
// Columns of the terminal on stdout; 100 where it is none.
int stdout_width();

}  // namespace rooftop::tools
