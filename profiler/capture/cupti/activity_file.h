// An activity buffer as a file: recorded where there is a GPU, replayed by tests where there is
// none.
//
// Little-endian: "RTACT001"; u32 CUPTI's version, u32 0; u64 length of the buffer, number of
// pointers, length of the texts, XXH3 of all that follows. Then the buffer, padded to 8 bytes, its
// pointers zeroed; per kernel's name u64 its offset in the buffer and u64 its text's; the texts,
// each ended by 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::capture {

struct CuptiApi;

// Walks the buffer for the names that it points to; leaves it as it is. `path` must not exist.
Status save_activity(const CuptiApi& api, const std::uint8_t* buffer, std::size_t valid,
                     const std::string& path) noexcept;

// A buffer that was read back. Its names point into `texts`, so that it stays where it is.
struct SavedActivity {
  std::uint32_t cupti_version = 0;
  std::vector<std::uint64_t> words;  // the buffer, aligned as CUPTI wants it
  std::size_t valid = 0;
  std::string texts;

  SavedActivity() = default;
  SavedActivity(const SavedActivity&) = delete;
  SavedActivity& operator=(const SavedActivity&) = delete;
  SavedActivity(SavedActivity&&) = delete;
  SavedActivity& operator=(SavedActivity&&) = delete;

  std::uint8_t* buffer() { return reinterpret_cast<std::uint8_t*>(words.data()); }
};

// Throws InputError where the file is not whole.
void load_activity(const std::string& path, SavedActivity& saved);

}  // namespace rooftop::capture
