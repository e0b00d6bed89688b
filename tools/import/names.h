// Texts of a recording, each kept once. What hostile files can make it hold is bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

namespace rooftop::import {

using NameId = std::uint32_t;  // 0: the empty text

class Names {
 public:
  Names();

  // The id of a text. Beyond the limits (those of a trace file) every new text gets one id, that of
  // "(more names than a trace holds)".
  NameId id(std::string_view text);
  [[nodiscard]] const std::string& text(NameId id) const { return texts_[id]; }
  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  [[nodiscard]] bool overflowed() const { return overflow_ != 0; }

 private:
  NameId append(std::string_view text);

  std::deque<std::string> texts_;  // stable: the map's keys point into it
  std::unordered_map<std::string_view, NameId> ids_;
  std::size_t bytes_ = 0;
  NameId overflow_ = 0;
};

}  // namespace rooftop::import
