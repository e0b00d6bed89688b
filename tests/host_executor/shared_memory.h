// The shared memory of the block that runs: dynamic arrays with guard zones, and static arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/host_executor/executor.h"

namespace rooftop::host_executor {

// The most that any supported device gives a block (227 KiB).
inline constexpr std::size_t kMostSharedBytes = 232448;

class SharedMemory {
 public:
  // New memory each time: TSan remembers few accesses to a place, and none of an earlier block's
  // shall be among them. Filled with NaN; nothing but what is taken may be touched until the end.
  void begin_block(std::size_t requested_bytes);
  void end_block();

  void* take(std::size_t index, std::size_t offset, std::size_t bytes, Site site);
  void declare(void* array, std::size_t bytes);
  [[nodiscard]] bool holds(const void* address, std::size_t bytes) const;

 private:
  struct Taken {
    std::size_t offset;
    std::size_t bytes;
    char* array;
  };
  struct Static {
    void* array;
    std::size_t bytes;
    std::uint64_t block;  // the last that filled it
  };

  char* memory_ = nullptr;
  std::size_t requested_ = 0;
  std::size_t bytes_ = 0;  // of memory_
  std::uint64_t block_ = 0;
  std::vector<Taken> taken_;
  std::vector<Static> statics_;
};

SharedMemory& shared_memory();

}  // namespace rooftop::host_executor
