// The file that a trace is written to. Inside the library only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace rooftop::trace {

// Writes whole frames, each with one write(2) where the system takes it whole. Raises no signal in
// the host process: a closed pipe (SIGPIPE) or a file-size limit (SIGXFSZ) is an error like any
// other. In a fork of the process that opened the file it does nothing, for the file is not its
// own.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile() { close(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Each returns 0 or an errno value.
  int open(const std::string& path) noexcept;
  // After a failure the file ends with the last whole frame again where it can be truncated.
  int write(std::string_view frame) noexcept;
  int close() noexcept;

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  // False in a fork of the process that opened it.
  [[nodiscard]] bool is_ours() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  // bytes of whole frames

 private:
  int fd_ = -1;
  pid_t owner_ = 0;
  std::uint64_t size_ = 0;
};

// One clause about an errno value of open() or write(), with what to do where that is known.
std::string explain(int error);

}  // namespace rooftop::trace
