#include "inference/tokenizer/byte_level.h"

#include <cstdint>

#include "inference/tokenizer/utf8.h"

namespace rooftop::inference {
namespace {

// Bytes that are printable in Latin-1 stand for themselves, the others follow from U+0100 on.
bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::size_t kCodePoints = 0x100 + 68;  // 68 bytes do not stand for themselves

struct Tables {
  std::array<std::string, 256> characters;
  std::array<std::int16_t, kCodePoints> bytes;  // by code point; -1 where there is none

  Tables() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const char32_t code = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
      append_utf8(code, characters[static_cast<std::size_t>(byte)]);
      bytes[code] = static_cast<std::int16_t>(byte);
    }
  }
};

const Tables& tables() {
  static const Tables kTables;
  return kTables;
}

}  // namespace

const std::array<std::string, 256>& byte_level_alphabet() { return tables().characters; }

std::optional<std::string> bytes_of_byte_level(std::string_view token) {
  std::string out;
  while (!token.empty()) {
    const Utf8Step step = utf8_step(token);
    if (!step.valid) return std::nullopt;
    const char32_t code = utf8_code_point(token.substr(0, step.length));
    if (code >= kCodePoints || tables().bytes[code] < 0) return std::nullopt;
    out += static_cast<char>(tables().bytes[code]);
    token.remove_prefix(step.length);
  }
  return out;
}

}  // namespace rooftop::inference
