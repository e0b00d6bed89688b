// The bytes of a foreign recording, front to back: a file, memory, or what either holds compressed.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rooftop::import {

class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Up to out.size() bytes; 0 only at the end. Throws InputError where the system cannot read.
  virtual std::size_t read(std::span<char> out) = 0;
  // Back to the first byte. Throws InputError for what can be read only once.
  virtual void rewind() = 0;
  // How much of the input was read, 0 to 1.
  [[nodiscard]] virtual double fraction() const = 0;
  // True where the end that was reached is not the end that was meant: compressed data that break
  // off or are damaged.
  [[nodiscard]] virtual bool cut_short() const { return false; }
};

class MemoryStream : public ByteStream {
 public:
  explicit MemoryStream(std::string_view bytes) : bytes_(bytes) {}  // which must outlive it
  std::size_t read(std::span<char> out) override;
  void rewind() override { at_ = 0; }
  [[nodiscard]] double fraction() const override;

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

class FileStream : public ByteStream {
 public:
  explicit FileStream(const std::string& path);
  ~FileStream() override;
  std::size_t read(std::span<char> out) override;
  void rewind() override;
  [[nodiscard]] double fraction() const override;

 private:
  std::string path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t at_ = 0;
};

// What a gzip stream (of one or more members) holds.
class GzipStream : public ByteStream {
 public:
  explicit GzipStream(std::unique_ptr<ByteStream> packed);
  ~GzipStream() override;
  std::size_t read(std::span<char> out) override;
  void rewind() override;
  [[nodiscard]] double fraction() const override { return packed_->fraction(); }
  [[nodiscard]] bool cut_short() const override { return cut_short_; }

 private:
  bool refill();

  std::unique_ptr<ByteStream> packed_;
  std::vector<char> buffer_;
  z_stream zlib_{};
  bool in_member_ = true;
  bool any_member_ = false;  // a whole one was read
  bool done_ = false;
  bool cut_short_ = false;
};

// The first `size` bytes, fewer where there are no more; the stream is back at its first byte.
std::string head_of(ByteStream& stream, std::size_t size);

// `raw` itself, or what it holds compressed.
std::unique_ptr<ByteStream> unpacked(std::unique_ptr<ByteStream> raw);

}  // namespace rooftop::import
