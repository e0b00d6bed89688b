#include "tools/report/filter_program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace rooftop {
namespace {

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {
    if (fd_ < 0) fail(errno, "memfd_create");
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  void fill(const std::string& content) const {
    for (std::size_t at = 0; at < content.size();) {
      const ssize_t n = write(fd_, content.data() + at, content.size() - at);
      if (n < 0 && errno != EINTR) fail(errno, "write");
      if (n > 0) at += static_cast<std::size_t>(n);
    }
    if (lseek(fd_, 0, SEEK_SET) < 0) fail(errno, "lseek");
  }

  [[nodiscard]] std::string content() const {
    std::string text;
    char buffer[65536];
    for (off_t at = 0;;) {
      const ssize_t n = pread(fd_, buffer, sizeof buffer, at);
      if (n < 0 && errno != EINTR) fail(errno, "read");
      if (n == 0) return text;
      if (n > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
        at += n;
      }
    }
  }

 private:
  int fd_;
};

class SpawnActions {
 public:
  SpawnActions() {
    if (const int error = posix_spawn_file_actions_init(&actions_)) fail(error, "posix_spawn");
  }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  void redirect(const MemoryFile& file, int as) {
    if (const int error = posix_spawn_file_actions_adddup2(&actions_, file.fd(), as)) {
      fail(error, "posix_spawn");
    }
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// The child's wait status; at the time limit it is killed, and `timed_out` set.
int wait_for(pid_t child, std::chrono::milliseconds time_limit, bool& timed_out) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + time_limit;
  auto pause = std::chrono::microseconds(500);
  for (int status = 0;;) {
    const pid_t ended = waitpid(child, &status, timed_out ? 0 : WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) fail(errno, "waitpid");
    if (Clock::now() >= deadline) {
      kill(child, SIGKILL);
      timed_out = true;
      continue;
    }
    std::this_thread::sleep_for(pause);
    if (pause < std::chrono::milliseconds(10)) pause *= 2;
  }
}

}  // namespace

ProgramResult run_filter(const std::vector<std::string>& argv, const std::string& input,
                         std::chrono::milliseconds time_limit) {
  const MemoryFile in("input"), out("output"), err("errors");
  in.fill(input);
  SpawnActions actions;
  actions.redirect(in, STDIN_FILENO);
  actions.redirect(out, STDOUT_FILENO);
  actions.redirect(err, STDERR_FILENO);

  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  ProgramResult result;
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments[0], actions.get(), nullptr, arguments.data(), environ);
  if (error == ENOENT || error == EACCES || error == ENOTDIR) return result;
  if (error != 0) fail(error, "posix_spawn");
  result.found = true;
  const int status = wait_for(child, time_limit, result.timed_out);
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.output = out.content();
  result.errors = err.content();
  return result;
}

}  // namespace rooftop
