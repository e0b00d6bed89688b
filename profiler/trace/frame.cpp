#include "profiler/trace/frame.h"

#define XXH_INLINE_ALL  // no libxxhash to carry into the profiled process
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace rooftop::trace {
namespace {

constexpr std::byte kFrameTag{(field::kTraceFrame << 3) | 2};  // wire type 2: length-delimited
constexpr std::array<std::byte, kMagicBytes> kMagicField = {
    std::byte{(field::kMagic << 3) | 5}, std::byte{kMagic & 0xff}, std::byte{(kMagic >> 8) & 0xff},
    std::byte{(kMagic >> 16) & 0xff}, std::byte{kMagic >> 24}};

const char* chars(std::span<const std::byte> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}

bool begins_with_magic(std::span<const std::byte> body) {
  const std::size_t n = std::min(body.size(), kMagicField.size());
  return std::equal(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n),
                    kMagicField.begin());
}

struct Fields {
  ParsedFrame frame;
  std::uint64_t checksum = 0;
};

Fields parse_fields(std::span<const std::byte> body) {
  using protozero::pbf_wire_type;
  if (body.size() < kMagicBytes || !begins_with_magic(body)) {
    throw Damage("the frame does not begin with its magic number");
  }
  Fields out;
  try {
    protozero::pbf_reader message(chars(body), body.size());
    while (message.next()) {
      switch (message.tag_and_type()) {
        case protozero::tag_and_type(field::kKind, pbf_wire_type::varint):
          out.frame.header.kind = message.get_uint32();
          break;
        case protozero::tag_and_type(field::kSequence, pbf_wire_type::varint):
          out.frame.header.sequence = message.get_uint64();
          break;
        case protozero::tag_and_type(field::kRows, pbf_wire_type::varint):
          out.frame.header.rows = message.get_uint32();
          break;
        case protozero::tag_and_type(field::kBeginNs, pbf_wire_type::fixed64):
          out.frame.header.begin_ns = message.get_sfixed64();
          break;
        case protozero::tag_and_type(field::kEndNs, pbf_wire_type::fixed64):
          out.frame.header.end_ns = message.get_sfixed64();
          break;
        case protozero::tag_and_type(field::kChecksum, pbf_wire_type::fixed64):
          out.checksum = message.get_fixed64();
          break;
        case protozero::tag_and_type(field::kPayload, pbf_wire_type::length_delimited): {
          const protozero::data_view view = message.get_view();
          out.frame.payload = {view.data(), view.size()};
          break;
        }
        default:
          message.skip();
      }
    }
  } catch (const protozero::exception&) {
    throw Damage("the frame is not a well-formed message");
  }
  return out;
}

}  // namespace

std::uint64_t checksum(const FrameHeader& header, std::string_view payload) noexcept {
  std::array<char, 36> bytes{};
  char* at = bytes.data();
  const auto put = [&at](const auto& value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  };
  put(kMagic);
  put(header.kind);
  put(header.sequence);
  put(header.rows);
  put(header.begin_ns);
  put(header.end_ns);
  const std::uint64_t seed = XXH3_64bits(bytes.data(), bytes.size());
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

void append_frame(const FrameHeader& header, std::string_view payload, std::string& out) {
  out.reserve(out.size() + payload.size() + 96);
  protozero::pbf_writer trace(out);
  protozero::pbf_writer frame(trace, field::kTraceFrame);
  frame.add_fixed32(field::kMagic, kMagic);
  frame.add_uint32(field::kKind, header.kind);
  frame.add_uint64(field::kSequence, header.sequence);
  frame.add_uint32(field::kRows, header.rows);
  frame.add_sfixed64(field::kBeginNs, header.begin_ns);
  frame.add_sfixed64(field::kEndNs, header.end_ns);
  frame.add_fixed64(field::kChecksum, checksum(header, payload));
  frame.add_bytes(field::kPayload, payload.data(), payload.size());
}

std::optional<FrameExtent> frame_extent(std::span<const std::byte> bytes) {
  if (bytes.empty()) return std::nullopt;
  if (bytes[0] != kFrameTag) throw Damage("no frame begins here");
  std::uint64_t length = 0;
  for (std::size_t i = 1; i < kMaxFramePrefix; ++i) {
    if (i == bytes.size()) return std::nullopt;
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    length |= (byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) {
      if (length < kMagicBytes || length > kMaxFrameBytes) {
        throw Damage("the frame gives an impossible length");
      }
      return FrameExtent{i + 1, static_cast<std::size_t>(length)};
    }
  }
  throw Damage("the frame gives an impossible length");
}

ParsedFrame parse_frame(std::span<const std::byte> body) {
  const Fields fields = parse_fields(body);
  if (checksum(fields.frame.header, fields.frame.payload) != fields.checksum) {
    throw Damage("the frame's checksum does not match its contents");
  }
  return fields.frame;
}

ParsedFrame parse_frame_unverified(std::span<const std::byte> body) {
  return parse_fields(body).frame;
}

bool is_torn_frame(std::span<const std::byte> available, std::size_t body_size) {
  if (!begins_with_magic(available)) return false;
  const char* const begin = chars(available);
  const char* const end = begin + available.size();
  try {
    for (protozero::pbf_reader message(begin, available.size()); message.next();) {
      if (message.tag() != field::kPayload) {
        message.skip();
        continue;
      }
      const char* at = message.data().data();
      const std::uint64_t size = protozero::decode_varint(&at, end);
      return size <= body_size - static_cast<std::size_t>(at - begin);
    }
  } catch (const protozero::end_of_buffer_exception&) {
    return true;  // the header itself is cut off
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

}  // namespace rooftop::trace
