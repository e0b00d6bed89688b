#include "profiler/plugin/message.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace rooftop::plugin {
namespace {

std::atomic<bool> quiet{false};

// Writes where that neither blocks nor kills: SIGPIPE of a closed pipe and SIGXFSZ of a full file
// are held back from this thread and swallowed.
void write_quietly(const char* text, std::size_t size) noexcept {
  pollfd stderr_state{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&stderr_state, 1, 0) != 1 || (stderr_state.revents & POLLOUT) == 0) return;
  sigset_t mine;
  sigset_t pending;
  sigset_t before;
  sigemptyset(&mine);
  sigpending(&pending);
  for (const int signal : {SIGPIPE, SIGXFSZ}) {
    if (sigismember(&pending, signal) == 0) sigaddset(&mine, signal);
  }
  pthread_sigmask(SIG_BLOCK, &mine, &before);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, size);
  const timespec at_once{};
  while (sigtimedwait(&mine, nullptr, &at_once) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void be_quiet() noexcept { quiet.store(true); }

void say(std::string_view text) noexcept {
  if (quiet.load()) return;
  constexpr std::string_view kWho = "rooftop: ";
  std::array<char, 1024> line;
  const std::size_t length = std::min(text.size(), line.size() - kWho.size() - 1);
  std::memcpy(line.data(), kWho.data(), kWho.size());
  std::memcpy(line.data() + kWho.size(), text.data(), length);
  line[kWho.size() + length] = '\n';
  const int error = errno;
  write_quietly(line.data(), kWho.size() + length + 1);
  errno = error;
}

}  // namespace rooftop::plugin
