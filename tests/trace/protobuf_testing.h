// The schema as an oracle: encodes and decodes with the generated protobuf classes, by the comments
// of trace.proto and nothing else.
#pragma once

#include <gtest/gtest.h>
#include <xxhash.h>
#include <zstd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "rooftop/trace.pb.h"

namespace rooftop::trace::testing {

inline std::uint64_t schema_checksum(const Frame& frame) {
  std::string head;
  const auto put = [&](auto value) {
    head.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  put(std::uint32_t{frame.magic()});
  put(static_cast<std::uint32_t>(frame.kind()));
  put(std::uint64_t{frame.sequence()});
  put(std::uint32_t{frame.rows()});
  put(std::int64_t{frame.begin_ns()});
  put(std::int64_t{frame.end_ns()});
  EXPECT_EQ(head.size(), 36U);
  return XXH3_64bits_withSeed(frame.payload().data(), frame.payload().size(),
                              XXH3_64bits(head.data(), head.size()));
}

inline std::string unpack(const Column& column, std::uint32_t rows) {
  if (column.compression() == Column::NONE) return column.data();
  std::string out(std::size_t{rows} * column.width(), '\0');
  EXPECT_EQ(ZSTD_decompress(out.data(), out.size(), column.data().data(), column.data().size()),
            out.size());
  return out;
}

inline std::vector<std::uint64_t> decode(const Column& column, std::uint32_t rows) {
  const std::string data = unpack(column, rows);
  EXPECT_EQ(data.size(), std::size_t{rows} * column.width());
  std::vector<std::uint64_t> out(rows);
  for (std::uint32_t i = 0; i < rows; ++i) {
    std::uint64_t element = 0;
    std::memcpy(&element, data.data() + std::size_t{i} * column.width(), column.width());
    if (column.coding() == Column::FRAME_OF_REFERENCE) {
      out[i] = column.base() + element;
    } else {
      out[i] = i == 0 ? column.base() : out[i - 1] + column.step() + element;
    }
  }
  if (column.representation() == Column::DOUBLE_INTEGRAL) {
    for (auto& value : out) {
      value = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(value)));
    }
  }
  return out;
}

class Builder {
 public:
  Builder() { add(Frame::META, 0, meta(1, 0).SerializeAsString()); }

  static TraceMeta meta(std::uint32_t major, std::uint32_t minor) {
    TraceMeta out;
    out.set_format_major(major);
    out.set_format_minor(minor);
    out.set_run("built");
    return out;
  }

  Frame& add(Frame::Kind kind, std::uint32_t rows, const std::string& payload) {
    Frame& frame = *trace_.add_frame();
    frame.set_magic(0x43525452);
    frame.set_kind(kind);
    frame.set_sequence(static_cast<std::uint64_t>(trace_.frame_size() - 1));
    frame.set_rows(rows);
    frame.set_payload(payload);
    return frame;
  }

  std::string bytes() {
    for (Frame& frame : *trace_.mutable_frame()) frame.set_checksum(schema_checksum(frame));
    return trace_.SerializeAsString();
  }

  Trace& trace() { return trace_; }

 private:
  Trace trace_;
};

inline Column& add_column(Chunk& chunk, std::uint32_t id, std::uint32_t width, std::uint64_t base,
                          const std::vector<std::uint64_t>& data) {
  Column& column = *chunk.add_column();
  column.set_id(id);
  column.set_width(width);
  column.set_base(base);
  for (const std::uint64_t value : data) {
    column.mutable_data()->append(reinterpret_cast<const char*>(&value), width);
  }
  return column;
}

}  // namespace rooftop::trace::testing
