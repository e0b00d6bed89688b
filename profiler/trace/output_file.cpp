#include "profiler/trace/output_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

namespace rooftop::trace {
namespace {

// Holds SIGPIPE and SIGXFSZ back from this thread, and swallows one that a write raised. (The
// kernel sends both to the thread that wrote.)
class SignalShield {
 public:
  SignalShield() noexcept {
    sigemptyset(&mine_);
    sigaddset(&mine_, SIGPIPE);
    sigaddset(&mine_, SIGXFSZ);
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    // One that was pending before belongs to somebody else.
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      if (sigismember(&pending, signal) == 1) sigdelset(&mine_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &mine_, &before_);
  }
  ~SignalShield() {
    const int error = errno;
    const timespec now{};
    while (sigtimedwait(&mine_, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  SignalShield(const SignalShield&) = delete;
  SignalShield& operator=(const SignalShield&) = delete;

 private:
  sigset_t mine_{};
  sigset_t before_{};
};

}  // namespace

int OutputFile::open(const std::string& path) noexcept {
  // Non-blocking for the open alone: a named pipe that nobody reads must not hang the host.
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK;
  do {
    fd_ = ::open(path.c_str(), flags, 0644);
  } while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) return errno;
  const int status = fcntl(fd_, F_GETFL);
  if (status < 0 || fcntl(fd_, F_SETFL, status & ~O_NONBLOCK) < 0) {
    const int error = errno;
    ::close(fd_);
    fd_ = -1;
    return error;
  }
  owner_ = getpid();
  size_ = 0;
  return 0;
}

bool OutputFile::is_ours() const noexcept { return owner_ == getpid(); }

int OutputFile::write(std::string_view frame) noexcept {
  const SignalShield shield;
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n > 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      const int error = n == 0 ? EIO : errno;
      // Best effort: a reader also copes with a torn last frame.
      [[maybe_unused]] const int cut = ftruncate(fd_, static_cast<off_t>(size_));
      return error;
    }
  }
  size_ += frame.size();
  return 0;
}

int OutputFile::close() noexcept {
  if (fd_ < 0) return 0;
  // Not retried on EINTR: Linux has released the descriptor by then.
  const int error = ::close(fd_) == 0 || errno == EINTR ? 0 : errno;
  fd_ = -1;
  return error;
}

std::string explain(int error) {
  switch (error) {
    case EISDIR:
      return "it is a directory; give the name of a file";
    case ENOENT:
      return "its folder does not exist; create it first";
    case ENOTDIR:
      return "a part of its path is not a folder";
    case EACCES:
    case EPERM:
    case EROFS:
      return "it may not be written here; choose another folder";
    case ENOSPC:
    case EDQUOT:
      return "the disk is full; make room or choose another folder";
    case EFBIG:
      return "it has reached the largest size allowed for a file (see ulimit -f)";
    case EPIPE:
    case ENXIO:
      return "no program reads from the pipe";
    case EMFILE:
    case ENFILE:
      return "too many files are open";
    default:
      return std::error_code(error, std::generic_category()).message();
  }
}

}  // namespace rooftop::trace
