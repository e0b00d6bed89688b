// Records to the Chunk payload of a frame and back. Inside the library only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "profiler/trace/columns.h"
#include "profiler/trace/schema.h"
#include "profiler/trace/writer.h"

namespace rooftop::trace {

// Gathers up to kRowsPerChunk records, column by column. Memory is reserved at the first push.
template <class Record>
class RecordBuffer {
 public:
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] bool full() const { return rows_ == kRowsPerChunk; }
  [[nodiscard]] std::int64_t begin_ns() const { return rows_ == 0 ? 0 : begin_ns_; }
  [[nodiscard]] std::int64_t end_ns() const { return rows_ == 0 ? 0 : end_ns_; }

  // Not when full. Throws std::bad_alloc only.
  void push(const Record& record) {
    if (values_.empty()) values_.resize(kStride * kColumnCount<Record>);
    std::uint64_t* at = values_.data() + rows_;
    std::apply([&](const auto&... column) { ((*at = column.get(record), at += kStride), ...); },
               Schema<Record>::kColumns);
    if constexpr (Schema<Record>::kTimed) {
      const bool first = rows_ == 0;
      begin_ns_ = first ? Schema<Record>::begin(record)
                        : std::min(begin_ns_, Schema<Record>::begin(record));
      end_ns_ =
          first ? Schema<Record>::end(record) : std::max(end_ns_, Schema<Record>::end(record));
    }
    ++rows_;
  }

  // Appends all columns to a Chunk payload. Throws std::bad_alloc only.
  void encode(ColumnEncoder& encoder, std::string& payload) const {
    const std::uint64_t* at = values_.data();
    std::apply(
        [&](const auto&... column) {
          ((encoder.append(column.id, column.type, {at, rows_}, payload), at += kStride), ...);
        },
        Schema<Record>::kColumns);
  }

  void clear() { rows_ = 0; }

 private:
  // Some bytes more than a power of two, or all columns of a row would fall on one cache set.
  static constexpr std::size_t kStride = kRowsPerChunk + 24;

  std::vector<std::uint64_t> values_;  // [column][kStride]
  std::size_t rows_ = 0;
  std::int64_t begin_ns_ = 0;
  std::int64_t end_ns_ = 0;
};

// Checks a whole Chunk, then hands its records out a block at a time: blocks stay in the
// first-level cache, and nothing is delivered of a chunk that turns out to be damaged.
template <class Record>
class ChunkDecoder {
 public:
  static constexpr std::size_t kBlockRows = 256;

  // `string_count`: ids from there on are damage. Throws Damage or protozero::exception.
  void load(std::string_view payload, std::uint32_t rows, std::uint32_t string_count,
            DecompressContext& context) {
    rows_ = rows;
    present_ = {};
    for (const ColumnView& view : parse_chunk(payload)) {
      for_each_column([&](const auto& column, std::size_t i) {
        if (column.id != view.id) return;
        if (present_[i]) throw Damage("a chunk has a column twice");
        present_[i] = true;
        const std::uint64_t limit = column.is_string ? string_count - 1 : column.limit;
        decoders_[i].open(view, rows, column.type, limit, context);
      });
    }
  }

  // Calls deliver(std::span<const Record>) with all rows in order.
  template <class Deliver>
  void for_each_block(Deliver&& deliver) {
    std::array<std::uint64_t, kBlockRows> values;
    block_.assign(std::min(kBlockRows, rows_), Record{});
    for (std::size_t row = 0; row < rows_;) {
      const std::size_t n = std::min(kBlockRows, rows_ - row);
      for_each_column([&](const auto& column, std::size_t i) {
        if (!present_[i] && !column.needs_others) return;
        // What is the same in every row is already there from the first block.
        if (row > 0 && decoders_[i].constant() && !column.needs_others) return;
        if (present_[i]) {
          decoders_[i].next(std::span(values).first(n));
        } else {
          std::fill_n(values.begin(), n, 0);
        }
        for (std::size_t k = 0; k < n; ++k) column.set(block_[k], values[k]);
      });
      deliver(std::span<const Record>(block_).first(n));
      row += n;
    }
  }

 private:
  template <class Action>
  static void for_each_column(Action&& action) {
    std::size_t i = 0;
    std::apply([&](const auto&... column) { (action(column, i++), ...); },
               Schema<Record>::kColumns);
  }

  std::array<ColumnDecoder, kColumnCount<Record>> decoders_;
  std::array<bool, kColumnCount<Record>> present_{};
  std::vector<Record> block_;
  std::size_t rows_ = 0;
};

}  // namespace rooftop::trace
