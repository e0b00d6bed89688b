#include "tools/import/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "profiler/core/error.h"

namespace rooftop::import {
namespace {

constexpr std::size_t kPackedBytes = std::size_t{256} << 10;
constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip framing

std::string message_of(int error) { return std::generic_category().message(error); }

}  // namespace

std::size_t MemoryStream::read(std::span<char> out) {
  const std::size_t n = std::min(out.size(), bytes_.size() - at_);
  if (n > 0) std::memcpy(out.data(), bytes_.data() + at_, n);
  at_ += n;
  return n;
}

double MemoryStream::fraction() const {
  return bytes_.empty() ? 1 : static_cast<double>(at_) / static_cast<double>(bytes_.size());
}

FileStream::FileStream(const std::string& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    throw InputError("'" + path + "' cannot be opened (" + message_of(errno) +
                     "); check the path and its permissions.");
  }
  struct stat status {};
  if (fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
}

FileStream::~FileStream() { ::close(fd_); }

std::size_t FileStream::read(std::span<char> out) {
  for (;;) {
    const ssize_t n = ::read(fd_, out.data(), out.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw InputError("'" + path_ + "' cannot be read at byte " + std::to_string(at_) + " (" +
                       message_of(errno) + "); check the disk or copy the file again.");
    }
    at_ += static_cast<std::uint64_t>(n);
    return static_cast<std::size_t>(n);
  }
}

void FileStream::rewind() {
  if (::lseek(fd_, 0, SEEK_SET) != 0) {
    throw InputError("'" + path_ +
                     "' is a pipe, and its kind is found out before it is read: save it to a file "
                     "and give that.");
  }
  at_ = 0;
}

double FileStream::fraction() const {
  return size_ == 0 ? 0 : std::min(1.0, static_cast<double>(at_) / static_cast<double>(size_));
}

GzipStream::GzipStream(std::unique_ptr<ByteStream> packed)
    : packed_(std::move(packed)), buffer_(kPackedBytes) {
  if (inflateInit2(&zlib_, kGzipWindow) != Z_OK) throw std::bad_alloc();
}

GzipStream::~GzipStream() { inflateEnd(&zlib_); }

void GzipStream::rewind() {
  packed_->rewind();
  inflateReset(&zlib_);
  zlib_.avail_in = 0;
  in_member_ = true;
  any_member_ = done_ = cut_short_ = false;
}

bool GzipStream::refill() {
  const std::size_t n = packed_->read(buffer_);
  zlib_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
  zlib_.avail_in = static_cast<uInt>(n);
  return n > 0;
}

std::size_t GzipStream::read(std::span<char> out) {
  if (out.empty()) return 0;
  zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib_.avail_out = static_cast<uInt>(out.size());
  while (!done_ && zlib_.avail_out == out.size()) {
    if (zlib_.avail_in == 0 && !refill()) {
      cut_short_ = in_member_;
      done_ = true;
      break;
    }
    if (!in_member_) {
      inflateReset(&zlib_);
      in_member_ = true;
    }
    const int status = inflate(&zlib_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      in_member_ = false;
      any_member_ = true;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      // Behind a whole member, what is no member is padding, as gzip itself takes it.
      const bool padding = any_member_ && zlib_.total_out == 0;
      cut_short_ = !padding;
      done_ = true;
    }
  }
  return out.size() - zlib_.avail_out;
}

std::string head_of(ByteStream& stream, std::size_t size) {
  std::string head(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const std::size_t n = stream.read(std::span(head).subspan(got));
    if (n == 0) break;
    got += n;
  }
  head.resize(got);
  stream.rewind();
  return head;
}

std::unique_ptr<ByteStream> unpacked(std::unique_ptr<ByteStream> raw) {
  const std::string head = head_of(*raw, 3);
  if (head != "\x1f\x8b\x08") return raw;
  return std::make_unique<GzipStream>(std::move(raw));
}

}  // namespace rooftop::import
