#include "profiler/plugin/trace_path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "profiler/plugin/process_facts.h"

namespace rooftop::plugin {
namespace {

constexpr std::string_view kEnding = ".rtrace";
constexpr int kMaxTries = 1000;

Status cannot(const std::string& what, const std::string& path, int error) {
  return Status::failed("cannot " + what + " " + path + ": " +
                        std::error_code(error, std::generic_category()).message() +
                        "; choose another ROOFTOP_OUTPUT");
}

std::string filled_in(const std::string& pattern) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    switch (next) {
      case 'p':
        out += std::to_string(getpid());
        break;
      case 'h':
        out += host_name();
        break;
      case '%':
        out += '%';
        break;
      default:
        out += pattern[i];
        continue;
    }
    ++i;
  }
  return out;
}

std::string numbered(const std::string& path, int number) {
  if (number == 1) return path;
  const bool ended = path.ends_with(kEnding);
  const std::string stem = ended ? path.substr(0, path.size() - kEnding.size()) : path;
  return stem + "-" + std::to_string(number) + (ended ? std::string(kEnding) : "");
}

// A file of that name, or -2, -3, ..., that was not there before.
Status make_new(const std::string& path, TracePath& chosen) {
  for (int number = 1; number <= kMaxTries; ++number) {
    const std::string candidate = numbered(path, number);
    const int file = open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file >= 0) {
      chosen.path = candidate;
      chosen.lock = file;
      return {};
    }
    if (errno != EEXIST) return cannot("write", candidate, errno);
  }
  return Status::failed("there are too many traces named " + path + ": clear them away");
}

// Whether a living process writes the file, or one has since this process was started.
bool is_taken(int file) {
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
  struct stat facts {};
  if (fstat(file, &facts) != 0 || facts.st_size == 0) return false;
  const double written =
      static_cast<double>(facts.st_mtim.tv_sec) + static_cast<double>(facts.st_mtim.tv_nsec) * 1e-9;
  return written > process_start_time();
}

Status take_named(const std::string& path, TracePath& chosen) {
  // Non-blocking: a named pipe that nobody reads must not hang the host.
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  struct stat facts {};
  const bool regular = file >= 0 && fstat(file, &facts) == 0 && S_ISREG(facts.st_mode);
  if (!regular) {  // a device or a pipe is opened as it is; for the rest the writer says why not
    if (file >= 0) close(file);
    chosen.path = path;
    return {};
  }
  if (!is_taken(file)) {
    chosen = {.path = path, .lock = file};
    return {};
  }
  close(file);
  const std::string stem = path.substr(0, path.size() - kEnding.size());
  return make_new(stem + "-" + std::to_string(getpid()) + std::string(kEnding), chosen);
}

bool is_folder(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

}  // namespace

Status choose_trace_path(const std::string& output, TracePath& chosen) {
  const bool made_up = output.find('%') != std::string::npos;
  const std::string path = made_up ? filled_in(output) : output;
  if (path.ends_with(kEnding) && !is_folder(path))
    return made_up ? make_new(path, chosen) : take_named(path, chosen);
  if (mkdir(path.c_str(), 0777) != 0 && !is_folder(path)) return cannot("make", path, errno);
  return make_new(path + "/" + program_name() + "-" + host_name() + "-" + std::to_string(getpid()) +
                      std::string(kEnding),
                  chosen);
}

}  // namespace rooftop::plugin
