// The writer's string table: text to id, and the texts that no STRINGS frame has yet. Inside the
// library only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "profiler/core/records.h"

namespace rooftop::trace {

class Interner {
 public:
  // The id of `text`, invalid UTF-8 replaced and overlong text cut. When the table has reached its
  // limits (format.h), all new texts share one id, "(more names than a trace holds)".
  // Throws std::bad_alloc, with the table unchanged.
  StringId intern(std::string_view text);

  [[nodiscard]] std::uint32_t size() const { return next_; }  // id 0 included
  [[nodiscard]] bool has_pending() const { return next_ != first_pending_; }

  // Appends a StringTable with the next pending texts (about a megabyte at most) and returns how
  // many. Call mark_written() with that number once they are in the file.
  std::uint32_t encode_pending(std::string& payload) const;
  void mark_written(std::uint32_t count);

 private:
  StringId append(std::string_view key, std::string text);

  std::unordered_map<std::string_view, StringId> ids_;  // keys point into keys_
  std::deque<std::string> keys_;                        // as given
  std::deque<std::string> pending_;                     // as written, from first_pending_ on
  std::size_t bytes_ = 0;
  std::uint32_t next_ = 1;
  std::uint32_t first_pending_ = 1;
  StringId overflow_ = 0;
};

}  // namespace rooftop::trace
