#include "profiler/roofs/cpu_memory.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "32768K" -> bytes
std::uint64_t parse_size(const std::string& text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  switch (*end) {
    case 'K':
      return value << 10;
    case 'M':
      return value << 20;
    default:
      return value;
  }
}

// Value of a "Key:   123 kB" line of /proc/meminfo, in bytes.
std::uint64_t meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) {
      return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) << 10;
    }
  }
  return 0;
}

}  // namespace

CacheSizes read_cache_sizes(const fs::path& root) {
  CacheSizes sizes;
  std::set<std::string> counted;  // the processors that share an L3: each L3 is counted once
  std::error_code error;
  for (const auto& cpu : fs::directory_iterator(root, error)) {
    std::error_code no_cache;
    for (const auto& index : fs::directory_iterator(cpu.path() / "cache", no_cache)) {
      if (first_line(index.path() / "type") == "Instruction") continue;
      const std::string level = first_line(index.path() / "level");
      const std::uint64_t bytes = parse_size(first_line(index.path() / "size"));
      if (level == "2") sizes.l2_per_core = std::max(sizes.l2_per_core, bytes);
      if (level == "3" && counted.insert(first_line(index.path() / "shared_cpu_list")).second) {
        sizes.l3_total += bytes;
      }
    }
  }
  return sizes;
}

std::uint64_t available_memory() {
  std::uint64_t available = meminfo("MemAvailable");
  const std::string limit = first_line("/sys/fs/cgroup/memory.max");
  if (!limit.empty() && limit != "max") {
    const std::uint64_t most = std::strtoull(limit.c_str(), nullptr, 10);
    const std::uint64_t used = parse_size(first_line("/sys/fs/cgroup/memory.current"));
    const std::uint64_t left = most > used ? most - used : 0;
    available = available == 0 ? left : std::min(available, left);
  }
  return available;
}

std::uint64_t dram_buffer_bytes(const CacheSizes& caches, std::uint64_t available) {
  constexpr std::uint64_t kMiB = 1U << 20;
  constexpr std::uint64_t kUnit = 64U << 10;
  std::uint64_t bytes = std::clamp<std::uint64_t>(4 * caches.l3_total, 256 * kMiB, 4096 * kMiB);
  if (available > 0) bytes = std::min(bytes, available / 8);
  return std::max(bytes / kUnit, std::uint64_t{1}) * kUnit;
}

Buffer::Buffer(std::uint64_t bytes) : bytes_(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw InputError(fmt::format(
        "measuring roofs needs {} MiB more memory ({}): free some, or use the roofs of a device "
        "table",
        bytes >> 20, std::strerror(errno)));
  }
  madvise(memory, bytes, MADV_HUGEPAGE);  // advice: a kernel without huge pages refuses, harmlessly
  data_ = static_cast<std::byte*>(memory);
}

Buffer::~Buffer() { munmap(data_, bytes_); }

}  // namespace rooftop
