// Names out of files, made fit for a message.
#pragma once

#include <string>
#include <string_view>

namespace rooftop::inference {

// At most 80 bytes of `text`, with '?' for each byte that is not printable ASCII: a hostile file
// must not steer the terminal.
inline std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7f ? '?' : c;
  }
  return text.size() > kLongest ? out + "..." : out;
}

}  // namespace rooftop::inference
