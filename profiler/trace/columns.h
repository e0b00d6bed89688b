// Coding of one column: 64-bit values to a Column message and back (proto/rooftop/trace.proto).
// All arithmetic is modulo 2^64, so signed and unsigned columns share the code. Inside the library
// only.
#pragma once

#include <zstd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/trace/format.h"

namespace rooftop::trace {

enum class Coding : std::uint32_t { kFrameOfReference = 0, kDelta = 1 };
enum class Representation : std::uint32_t { kInteger = 0, kDoubleBits = 1, kDoubleIntegral = 2 };
enum class Compression : std::uint32_t { kNone = 0, kZstd = 1 };

// How the values of a column are ordered and checked.
enum class ColumnType : std::uint8_t {
  kUnsigned,  // order of uint64; limited to the member's width
  kSigned,    // order of int64, sign-extended; limited to the member's width
  kDouble,    // bits of a double
};

// Appends Column messages to a Chunk payload. Keeps its scratch memory between calls.
class ColumnEncoder {
 public:
  ColumnEncoder();  // throws std::bad_alloc

  // `values` are not empty. Throws std::bad_alloc only.
  void append(std::uint32_t id, ColumnType type, std::span<const std::uint64_t> values,
              std::string& chunk);

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, FreeContext> zstd_;
  std::vector<char> packed_;
  std::vector<char> compressed_;
  std::vector<std::uint64_t> integral_;
};

// A Column message, its data still compressed and inside the frame.
struct ColumnView {
  std::uint32_t id = 0;
  Coding coding = Coding::kFrameOfReference;
  std::uint32_t width = 0;
  std::uint64_t base = 0;
  std::uint64_t step = 0;
  Representation representation = Representation::kInteger;
  Compression compression = Compression::kNone;
  std::string_view data;
};

// The columns of a Chunk payload, in file order. Throws Damage for what is not a Chunk of this
// format; columns with ids that nobody asks for are not looked into.
std::vector<ColumnView> parse_chunk(std::string_view payload);

struct DecompressContext {
  DecompressContext();  // throws std::bad_alloc
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> zstd;
};

// One column ready to be decoded, from the first row to the last, a block at a time.
class ColumnDecoder {
 public:
  // Unpacks `view`; memory is bounded by rows * 8 bytes whatever the data say. Every row is checked
  // against `limit`, the largest value of the record's member (signed members reach from -limit - 1
  // to limit). Throws Damage.
  void open(const ColumnView& view, std::uint32_t rows, ColumnType type, std::uint64_t limit,
            DecompressContext& context);

  // True where all rows hold the same value.
  [[nodiscard]] bool constant() const { return width_ == 0 && step_ == 0; }

  // Decodes the next out.size() rows; double columns as bits.
  void next(std::span<std::uint64_t> out);

 private:
  void check_rows(std::uint32_t rows, ColumnType type, std::uint64_t limit);
  void rewind() { row_ = 0, running_ = base_ - step_; }

  std::vector<char> unpacked_;
  const char* data_ = nullptr;
  std::size_t row_ = 0;
  std::uint32_t width_ = 0;
  Coding coding_ = Coding::kFrameOfReference;
  Representation representation_ = Representation::kInteger;
  std::uint64_t base_ = 0;
  std::uint64_t step_ = 0;
  std::uint64_t running_ = 0;
};

}  // namespace rooftop::trace
