#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace rooftop::tools {
namespace {

constexpr auto kRefresh = std::chrono::milliseconds(100);
constexpr auto kQuiet = std::chrono::milliseconds(300);  // what is over sooner shows no line

std::string human_seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.0f} s", seconds);
  if (seconds < 3600)
    return fmt::format("{:.0f} min {:02.0f} s", std::floor(seconds / 60), std::fmod(seconds, 60));
  return fmt::format("{:.0f} h {:02.0f} min", std::floor(seconds / 3600),
                     std::fmod(seconds, 3600) / 60);
}

bool asked_for_lines() {
  const char* setting = std::getenv(kProgressVariable);
  return setting != nullptr && setting == kProgressLines;
}

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)),
      terminal_(stderr_is_terminal()),
      lines_(asked_for_lines()),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::update(double fraction, std::string_view detail) {
  if (!terminal_ && !lines_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - start_ < kQuiet || now - last_ < kRefresh) return;
  last_ = now;
  if (lines_) {
    fmt::print(stderr, "{}{:.4f} {}\n", kProgressLine, std::clamp(fraction, 0.0, 1.0), detail);
    return;
  }
  shown_ = true;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  fraction = std::clamp(fraction, 0.0, 1.0);
  std::string left;
  if (fraction > 0.02)
    left = fmt::format(", about {} left", human_seconds(elapsed / fraction * (1 - fraction)));
  fmt::print(stderr, "\r\x1b[K{} {:3.0f} %{}{}{}", what_, fraction * 100, left,
             detail.empty() ? "" : "  ", detail);
  std::fflush(stderr);
}

bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }

bool stdout_has_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return stdout_is_terminal() && !dumb && (no_colour == nullptr || *no_colour == 0);
}

int stdout_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 100;
}

}  // namespace rooftop::tools
