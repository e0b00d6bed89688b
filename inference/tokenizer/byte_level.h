// GPT-2's alphabet: a printable character for each of the 256 bytes, so that a vocabulary of text
// can spell any bytes ("Ġ" is the space). (openai/gpt-2, encoder.py, bytes_to_unicode)
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace rooftop::inference {

// The character of each byte, in UTF-8.
const std::array<std::string, 256>& byte_level_alphabet();

// The bytes that a token spells; nullopt where it holds a character outside the alphabet.
std::optional<std::string> bytes_of_byte_level(std::string_view token);

}  // namespace rooftop::inference
