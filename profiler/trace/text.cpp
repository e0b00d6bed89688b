#include "profiler/trace/text.h"

#include <cstddef>
#include <cstdint>

namespace rooftop::trace {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Length of the valid character at the front of `text`; 0 where there is none. Overlong forms,
// surrogates and values past U+10FFFF are not valid (RFC 3629).
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  std::uint32_t value = 0;
  if (first >= 0xc2 && first < 0xe0) {
    length = 2, value = first & 0x1fU;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3, value = first & 0x0fU;
  } else if (first >= 0xf0 && first < 0xf5) {
    length = 4, value = first & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
    value = value << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  return overlong || surrogate || value > 0x10ffff ? 0 : length;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string_view utf8_prefix(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && limit - end < 4 && is_continuation(text[end])) --end;
  return text.substr(0, is_continuation(text[end]) ? limit : end);
}

}  // namespace rooftop::trace
