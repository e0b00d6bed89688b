#include "inference/cpu/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <new>
#include <optional>
#include <sstream>
#include <utility>

namespace rooftop::inference::cpu {
namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

// The number that follows `key` in a file of "key number" lines; the file's first word where `key`
// is empty. "max" and anything else that is no number: none.
std::optional<std::uint64_t> number_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (!key.empty() && (!(words >> name) || name != key)) continue;
    if (words >> value) return value;
    return std::nullopt;
  }
  return std::nullopt;
}

// What a control group leaves: its limit less what it uses, where cached file pages that can be
// dropped do not count as used.
std::uint64_t left_in_group(const std::string& folder, const char* limit_file,
                            const char* usage_file, const char* cache_key) {
  const auto limit = number_in(folder + "/" + limit_file, "");
  const auto usage = number_in(folder + "/" + usage_file, "");
  if (!limit || !usage) return kUnknown;
  const std::uint64_t cache = number_in(folder + "/memory.stat", cache_key).value_or(0);
  const std::uint64_t used = *usage - std::min(cache, *usage);
  return *limit - std::min(used, *limit);
}

// A limit of any group above holds too.
template <typename Left>
std::uint64_t least_upwards(const std::string& mount, std::string path, Left left) {
  std::uint64_t least = left(mount);
  while (path.size() > 1) {
    least = std::min(least, left(mount + path));
    path.resize(path.find_last_of('/'));
  }
  return least;
}

std::uint64_t left_in_groups(const std::string& root) {
  std::uint64_t least = kUnknown;
  std::ifstream file(root + "proc/self/cgroup");
  std::string line;  // "0::/path" (version 2), "4:memory:/path" (version 1)
  while (std::getline(file, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (path.empty() || path[0] != '/') continue;
    if (controllers == ",,") {
      least =
          std::min(least, least_upwards(root + "sys/fs/cgroup", path, [](const auto& folder) {
                     return left_in_group(folder, "memory.max", "memory.current", "inactive_file");
                   }));
    } else if (controllers.find(",memory,") != std::string::npos) {
      least = std::min(least, least_upwards(root + "sys/fs/cgroup/memory", path, [](const auto& f) {
                         return left_in_group(f, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                              "total_inactive_file");
                       }));
    }
  }
  return least;
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  madvise(p, bytes, MADV_HUGEPAGE);  // advice only: ordinary pages serve too
  data_ = static_cast<std::byte*>(p);
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

std::uint64_t available_memory(const std::string& root) {
  const auto kibibytes = number_in(root + "proc/meminfo", "MemAvailable:");
  return std::min(kibibytes ? *kibibytes * 1024 : kUnknown, left_in_groups(root));
}

}  // namespace rooftop::inference::cpu
