// Cache sizes and free memory, and the buffers that follow from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace rooftop {

struct CacheSizes {
  std::uint64_t l2_per_core = 0;  // byte; 0: unknown
  std::uint64_t l3_total = 0;     // byte, over all L3s of the machine; 0: unknown or none
};

// From sysfs; `root` is "/sys/devices/system/cpu" but for tests.
CacheSizes read_cache_sizes(const std::filesystem::path& root = "/sys/devices/system/cpu");

// Memory that can still be had: the machine's, bounded by the cgroup's; 0: unknown.
std::uint64_t available_memory();

// Bytes of one buffer of a DRAM measurement: four times the L3s, between 256 MiB and 4 GiB, and at
// most an eighth of the available memory (two buffers are live at once). A multiple of 64 KiB.
std::uint64_t dram_buffer_bytes(const CacheSizes& caches, std::uint64_t available);

// Zero-filled memory straight from the kernel, in huge pages where it gives them. Throws InputError
// where there is not enough.
class Buffer {
 public:
  explicit Buffer(std::uint64_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace rooftop
