// The numbers of proto/rooftop/trace.proto that writer and reader share, and the limits that keep a
// hostile file from costing memory. Inside the library only.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace rooftop::trace {

static_assert(std::endian::native == std::endian::little, "trace files are little-endian");

inline constexpr std::uint32_t kMagic = 0x43525452;  // "RTRC"
inline constexpr std::uint32_t kFormatMajor = 1;
inline constexpr std::uint32_t kFormatMinor = 1;

inline constexpr std::size_t kMaxPayloadBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxFrameBytes =
    kMaxPayloadBytes + 1024;  // header and later additions
inline constexpr std::uint32_t kMaxRowsPerFrame = 65536;
inline constexpr std::size_t kMaxColumns = 256;
inline constexpr std::size_t kMaxMetaEntries = 65536;                 // of each repeated field
inline constexpr std::uint32_t kMaxStrings = std::uint32_t{1} << 20;  // id 0 included
inline constexpr std::size_t kMaxStringBytes = 65536;
inline constexpr std::size_t kMaxStringTableBytes = std::size_t{64} << 20;

enum class FrameKind : std::uint32_t {
  kUnspecified = 0,
  kMeta = 1,
  kStrings = 2,
  kScopes = 3,
  kKernels = 4,
  kCounters = 5,
  kSamples = 6,
  kMemcpys = 7,
  kDrops = 8,
  kIndex = 9,
  kEnd = 10,
};
inline constexpr std::size_t kFrameKinds = 11;

// Field numbers of the messages.
namespace field {
inline constexpr std::uint32_t kTraceFrame = 1;
enum Frame : std::uint32_t {
  kMagic = 1,
  kKind = 2,
  kSequence = 3,
  kRows = 4,
  kBeginNs = 5,
  kEndNs = 6,
  kChecksum = 7,
  kPayload = 8
};
enum StringTable : std::uint32_t { kFirstId = 1, kText = 2 };
inline constexpr std::uint32_t kChunkColumn = 1;
enum Column : std::uint32_t {
  kId = 1,
  kCoding = 2,
  kWidth = 3,
  kBase = 4,
  kStep = 5,
  kRepresentation = 6,
  kCompression = 7,
  kMin = 8,
  kMax = 9,
  kData = 10
};
enum Index : std::uint32_t { kEntry = 1, kPreviousOffset = 2 };
enum IndexEntry : std::uint32_t {
  kEntryOffset = 1,
  kEntryKind = 2,
  kEntryRows = 3,
  kEntryBeginNs = 4,
  kEntryEndNs = 5
};
// Totals stand at the number of their frame kind: strings 2, scopes 3, ..., drops 8.
inline constexpr std::uint32_t kEndIndexOffset = 1;
}  // namespace field

// A whole frame that is wrong. The reader adds file and offset and makes it an InputError.
struct Damage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rooftop::trace
