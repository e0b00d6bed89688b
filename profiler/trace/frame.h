// One frame on disk: the field of Trace (tag, length) and the Frame message in it. Inside the
// library only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "profiler/trace/format.h"

namespace rooftop::trace {

struct FrameHeader {
  std::uint32_t kind = 0;  // FrameKind, or one that only newer versions know
  std::uint64_t sequence = 0;
  std::uint32_t rows = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;

  bool operator==(const FrameHeader&) const = default;
};

// Tag and length of a Trace field: at most 1 + 5 bytes.
inline constexpr std::size_t kMaxFramePrefix = 6;
// Every Frame message begins with its magic: tag and four bytes.
inline constexpr std::size_t kMagicBytes = 5;

// XXH3-64 of the payload, seeded with the hash of the header, so that both are covered.
std::uint64_t checksum(const FrameHeader& header, std::string_view payload) noexcept;

// Appends a whole frame, tag and length included. Throws std::bad_alloc only.
void append_frame(const FrameHeader& header, std::string_view payload, std::string& out);

// Where a Frame message lies in `bytes`, which begin at a tag: its prefix and its length.
struct FrameExtent {
  std::size_t prefix = 0;  // bytes of tag and length
  std::size_t body = 0;    // bytes of the message
  [[nodiscard]] std::size_t total() const { return prefix + body; }
};

// Reads tag and length. Empty where `bytes` end too early; throws Damage where no frame can begin
// like this.
std::optional<FrameExtent> frame_extent(std::span<const std::byte> bytes);

struct ParsedFrame {
  FrameHeader header;
  std::string_view payload;  // into the bytes given
};

// Parses a whole Frame message and verifies its checksum. Throws Damage.
ParsedFrame parse_frame(std::span<const std::byte> body);

// Parses without comparing checksums, for a META frame whose format may be another.
ParsedFrame parse_frame_unverified(std::span<const std::byte> body);

// Looks at the first bytes of a Frame message that the file cuts off: false where they cannot be
// the beginning of a message of `body_size` bytes, so that its length must be wrong.
bool is_torn_frame(std::span<const std::byte> available, std::size_t body_size);

}  // namespace rooftop::trace
