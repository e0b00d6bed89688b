// Text of a trace is UTF-8, whatever a kernel, an engine or a file system calls itself. Inside the
// library only.
#pragma once

#include <string>
#include <string_view>

namespace rooftop::trace {

// `text` with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// The longest prefix of at most `limit` bytes that does not cut a character.
std::string_view utf8_prefix(std::string_view text, std::size_t limit);

}  // namespace rooftop::trace
