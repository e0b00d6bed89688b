#include "profiler/trace/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "profiler/core/error.h"

namespace rooftop::trace {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;

std::string message_of(int error) { return std::generic_category().message(error); }

}  // namespace

ByteSource::ByteSource(std::span<const std::byte> bytes) : name_("(memory)"), memory_(bytes) {}

ByteSource::ByteSource(const std::string& path) : name_(path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    throw InputError("The trace '" + path + "' cannot be opened (" + message_of(errno) +
                     "); check the path.");
  }
  struct stat status {};
  if (fstat(fd_, &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      ::close(fd_);
      throw InputError("'" + path + "' is a directory; give one of the *.rtrace files in it.");
    }
    if (S_ISREG(status.st_mode)) file_size_ = static_cast<std::uint64_t>(status.st_size);
  }
}

ByteSource::~ByteSource() {
  if (fd_ >= 0) ::close(fd_);
}

std::uint64_t ByteSource::total() const {
  if (fd_ < 0) return memory_.size();
  return std::max(file_size_, offset_ + (end_ - begin_));
}

std::span<const std::byte> ByteSource::peek(std::size_t size) {
  if (fd_ < 0) {
    const auto rest = memory_.subspan(static_cast<std::size_t>(offset_));
    return rest.first(std::min(size, rest.size()));
  }
  if (end_ - begin_ < size && !at_end_) fill(size);
  return std::span(buffer_).subspan(begin_, std::min(size, end_ - begin_));
}

void ByteSource::fill(std::size_t size) {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ < size && !at_end_) {
    if (buffer_.size() - end_ < kReadBytes) {
      buffer_.resize(std::max(2 * buffer_.size(), end_ + kReadBytes));
    }
    const ssize_t n = ::read(fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw InputError("The trace '" + name_ + "' cannot be read at byte " +
                       std::to_string(offset_ + end_) + " (" + message_of(errno) +
                       "); check the disk or copy the file again.");
    }
    at_end_ = n == 0;
    end_ += static_cast<std::size_t>(n);
  }
}

void ByteSource::consume(std::size_t size) {
  offset_ += size;
  if (fd_ >= 0) begin_ += size;
}

}  // namespace rooftop::trace
