// UTF-8, read strictly (Unicode 15, table 3-7: no surrogates, no overlong forms).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rooftop::inference {

struct Utf8Step {
  std::size_t length = 0;  // bytes of the character, or of the longest piece that began one
  bool valid = false;
  bool unfinished = false;  // not valid yet, but more bytes could make it so
};

// The first character of `text`, which must not be empty.
Utf8Step utf8_step(std::string_view text);

// The code point of a valid character.
char32_t utf8_code_point(std::string_view character);

void append_utf8(char32_t code_point, std::string& out);

// Moves all whole characters from the front of `bytes` to the result, U+FFFD for each invalid
// piece. An unfinished character at the end stays, unless `flush`.
std::string take_utf8(std::string& bytes, bool flush);

}  // namespace rooftop::inference
