// Large allocations, and how much this process may still allocate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rooftop::inference::cpu {

// Zeroed, page-aligned memory on huge pages where the system grants them. Pages are touched first
// by whoever writes them, so that on a machine with several memory nodes each thread's part lies
// near it.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);  // throws std::bad_alloc
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Bytes that can be allocated now without swapping or being killed: the least of the system's
// MemAvailable and what the memory limits of this process's control groups (version 2 or 1) leave.
// `root` is a folder that holds proc/ and sys/ (tests give their own); the largest value where
// nothing is known.
std::uint64_t available_memory(const std::string& root = "/");

}  // namespace rooftop::inference::cpu
