// The bytes of a trace, front to back, from a file (or pipe) or from memory. Inside the library
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rooftop::trace {

// Reads with read(2), not through a memory map: a file that somebody truncates meanwhile would
// raise SIGBUS there, and pipes work too.
class ByteSource {
 public:
  explicit ByteSource(std::span<const std::byte> bytes);
  // Throws InputError.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // The next `size` bytes, fewer only at the end of the file; valid until the next call. Memory
  // grows with what the file really holds, not with what is asked for. Throws InputError where the
  // system cannot read.
  std::span<const std::byte> peek(std::size_t size);
  // Goes on behind the first `size` of the bytes last peeked.
  void consume(std::size_t size);

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  // Size of the file; of a pipe, what was read so far.
  [[nodiscard]] std::uint64_t total() const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  void fill(std::size_t size);

  std::string name_;
  std::span<const std::byte> memory_;  // where fd_ < 0
  int fd_ = -1;
  std::uint64_t file_size_ = 0;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // of what is buffered and not consumed
  std::size_t end_ = 0;
  bool at_end_ = false;
};

}  // namespace rooftop::trace
