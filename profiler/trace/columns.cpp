#include "profiler/trace/columns.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace rooftop::trace {
namespace {

constexpr int kZstdLevel = 1;
constexpr std::size_t kLeastCompressed = 64;  // bytes; below, zstd's own header eats the gain
constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr double kMaxIntegral = 9007199254740992.0;  // 2^53: every whole number up to it is exact

struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  [[nodiscard]] std::uint64_t width() const { return max - min; }
};

// Smallest and largest in unsigned order of `value ^ flip`; flip = kSignBit gives signed order.
Range range_of(std::span<const std::uint64_t> values, std::uint64_t flip) {
  std::uint64_t low = ~std::uint64_t{0};
  std::uint64_t high = 0;
  for (const std::uint64_t value : values) {
    low = std::min(low, value ^ flip);
    high = std::max(high, value ^ flip);
  }
  return {low ^ flip, high ^ flip};
}

// The same over the differences of neighbours, in signed order.
Range step_range_of(std::span<const std::uint64_t> values) {
  std::uint64_t low = ~std::uint64_t{0};
  std::uint64_t high = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::uint64_t step = (values[i] - values[i - 1]) ^ kSignBit;
    low = std::min(low, step);
    high = std::max(high, step);
  }
  return {low ^ kSignBit, high ^ kSignBit};
}

std::uint32_t width_of(std::uint64_t range) {
  if (range == 0) return 0;
  if (range <= 0xff) return 1;
  if (range <= 0xffff) return 2;
  return range <= 0xffffffff ? 4 : 8;
}

template <class T>
void pack_reference(std::span<const std::uint64_t> values, std::uint64_t base, char* out) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T element = static_cast<T>(values[i] - base);
    std::memcpy(out + i * sizeof(T), &element, sizeof(T));
  }
}

template <class T>
void pack_delta(std::span<const std::uint64_t> values, std::uint64_t step, char* out) {
  std::memset(out, 0, sizeof(T));
  for (std::size_t i = 1; i < values.size(); ++i) {
    const T element = static_cast<T>(values[i] - values[i - 1] - step);
    std::memcpy(out + i * sizeof(T), &element, sizeof(T));
  }
}

// Calls `action` with a value of the unsigned type that is `width` bytes wide.
template <class Action>
void with_width(std::uint32_t width, Action&& action) {
  switch (width) {
    case 1:
      return action(std::uint8_t{});
    case 2:
      return action(std::uint16_t{});
    case 4:
      return action(std::uint32_t{});
    default:
      return action(std::uint64_t{});
  }
}

// Doubles that are whole numbers (most hardware counters) code as integers; -0.0 is not one.
bool to_integral(std::span<const std::uint64_t> bits, std::vector<std::uint64_t>& out) {
  out.resize(bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const double value = std::bit_cast<double>(bits[i]);
    if (!(std::abs(value) <= kMaxIntegral)) return false;  // NaN too
    const auto whole = static_cast<std::int64_t>(value);
    if (std::bit_cast<std::uint64_t>(static_cast<double>(whole)) != bits[i]) return false;
    out[i] = static_cast<std::uint64_t>(whole);
  }
  return true;
}

// Zone map of doubles; false where a NaN has no place in it.
bool double_range(std::span<const std::uint64_t> bits, Range& out) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const std::uint64_t b : bits) {
    const double value = std::bit_cast<double>(b);
    if (std::isnan(value)) return false;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  out = {std::bit_cast<std::uint64_t>(low), std::bit_cast<std::uint64_t>(high)};
  return true;
}

template <class T>
void unpack_reference(const char* data, std::uint64_t base, std::span<std::uint64_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, data + i * sizeof(T), sizeof(T));
    out[i] = base + element;
  }
}

template <class T>
std::uint64_t unpack_delta(const char* data, std::uint64_t running, std::uint64_t step,
                           std::span<std::uint64_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T element;
    std::memcpy(&element, data + i * sizeof(T), sizeof(T));
    running += step + element;
    out[i] = running;
  }
  return running;
}

}  // namespace

ColumnEncoder::ColumnEncoder() : zstd_(ZSTD_createCCtx()) {
  if (!zstd_) throw std::bad_alloc();
}

void ColumnEncoder::append(std::uint32_t id, ColumnType type, std::span<const std::uint64_t> values,
                           std::string& chunk) {
  Representation representation = Representation::kInteger;
  Range zone;
  bool has_zone = true;
  if (type == ColumnType::kDouble) {
    has_zone = double_range(values, zone);
    representation = Representation::kDoubleBits;
    if (to_integral(values, integral_)) {
      representation = Representation::kDoubleIntegral;
      values = integral_;
    }
  }
  const bool is_signed =
      type == ColumnType::kSigned || representation == Representation::kDoubleIntegral;
  const Range range = range_of(values, is_signed ? kSignBit : 0);
  if (type != ColumnType::kDouble) zone = range;
  const Range steps = values.size() > 1 ? step_range_of(values) : Range{};

  // The narrower coding; frame of reference where they are equal, for it decodes in any order.
  std::uint32_t width = width_of(range.width());
  const bool delta = width_of(steps.width()) < width;
  if (delta) width = width_of(steps.width());
  const std::uint64_t base = delta ? values.front() : range.min;
  const std::size_t size = values.size() * width;
  if (packed_.size() < size) packed_.resize(size);
  if (width != 0) {
    with_width(width, [&](auto element) {
      using T = decltype(element);
      delta ? pack_delta<T>(values, steps.min, packed_.data())
            : pack_reference<T>(values, base, packed_.data());
    });
  }

  Compression compression = Compression::kNone;
  std::string_view data(packed_.data(), size);
  if (size >= kLeastCompressed) {
    if (compressed_.size() < ZSTD_compressBound(size)) compressed_.resize(ZSTD_compressBound(size));
    const std::size_t n = ZSTD_compressCCtx(zstd_.get(), compressed_.data(), compressed_.size(),
                                            packed_.data(), size, kZstdLevel);
    if (!ZSTD_isError(n) && n < size) {
      compression = Compression::kZstd;
      data = {compressed_.data(), n};
    }
  }

  protozero::pbf_writer message(chunk);
  protozero::pbf_writer column(message, field::kChunkColumn);
  column.add_uint32(field::kId, id);
  column.add_uint32(field::kCoding, delta ? 1 : 0);
  column.add_uint32(field::kWidth, width);
  column.add_uint64(field::kBase, base);
  if (delta) column.add_uint64(field::kStep, steps.min);
  column.add_uint32(field::kRepresentation, static_cast<std::uint32_t>(representation));
  column.add_uint32(field::kCompression, static_cast<std::uint32_t>(compression));
  if (has_zone) {
    column.add_uint64(field::kMin, zone.min);
    column.add_uint64(field::kMax, zone.max);
  }
  column.add_bytes(field::kData, data.data(), data.size());
}

std::vector<ColumnView> parse_chunk(std::string_view payload) {
  using protozero::pbf_wire_type;
  std::vector<ColumnView> out;
  protozero::pbf_reader chunk(payload.data(), payload.size());
  while (chunk.next(field::kChunkColumn, pbf_wire_type::length_delimited)) {
    if (out.size() == kMaxColumns) throw Damage("a chunk has too many columns");
    protozero::pbf_reader message = chunk.get_message();
    ColumnView& column = out.emplace_back();
    while (message.next()) {
      switch (message.tag_and_type()) {
        case protozero::tag_and_type(field::kId, pbf_wire_type::varint):
          column.id = message.get_uint32();
          break;
        case protozero::tag_and_type(field::kCoding, pbf_wire_type::varint):
          column.coding = static_cast<Coding>(message.get_uint32());
          break;
        case protozero::tag_and_type(field::kWidth, pbf_wire_type::varint):
          column.width = message.get_uint32();
          break;
        case protozero::tag_and_type(field::kBase, pbf_wire_type::varint):
          column.base = message.get_uint64();
          break;
        case protozero::tag_and_type(field::kStep, pbf_wire_type::varint):
          column.step = message.get_uint64();
          break;
        case protozero::tag_and_type(field::kRepresentation, pbf_wire_type::varint):
          column.representation = static_cast<Representation>(message.get_uint32());
          break;
        case protozero::tag_and_type(field::kCompression, pbf_wire_type::varint):
          column.compression = static_cast<Compression>(message.get_uint32());
          break;
        case protozero::tag_and_type(field::kData, pbf_wire_type::length_delimited): {
          const protozero::data_view view = message.get_view();
          column.data = {view.data(), view.size()};
          break;
        }
        default:
          message.skip();
      }
    }
  }
  return out;
}

DecompressContext::DecompressContext() : zstd(ZSTD_createDCtx()) {
  if (!zstd) throw std::bad_alloc();
}

void ColumnDecoder::open(const ColumnView& view, std::uint32_t rows, ColumnType type,
                         std::uint64_t limit, DecompressContext& context) {
  if (view.width > 8 || !std::has_single_bit(view.width | (view.width == 0 ? 1U : 0U))) {
    throw Damage("a column has an impossible width");
  }
  if (view.coding > Coding::kDelta || view.compression > Compression::kZstd ||
      view.representation > Representation::kDoubleIntegral ||
      (view.representation == Representation::kInteger) != (type != ColumnType::kDouble)) {
    throw Damage("a column has a coding that this version does not know");
  }
  width_ = view.width;
  coding_ = view.coding;
  representation_ = view.representation;
  base_ = view.base;
  step_ = view.coding == Coding::kDelta ? view.step : 0;
  const std::size_t size = std::size_t{rows} * width_;
  if (view.compression == Compression::kZstd) {
    unpacked_.resize(size);
    const std::size_t n = ZSTD_decompressDCtx(context.zstd.get(), unpacked_.data(), size,
                                              view.data.data(), view.data.size());
    if (ZSTD_isError(n) || n != size) {
      throw Damage("a column's compressed data do not give its rows");
    }
    data_ = unpacked_.data();
  } else {
    if (view.data.size() != size) throw Damage("a column's data do not match its rows");
    data_ = view.data.data();
  }
  rewind();
  if (type != ColumnType::kDouble) check_rows(rows, type, limit);
  rewind();
}

void ColumnDecoder::check_rows(std::uint32_t rows, ColumnType type, std::uint64_t limit) {
  if (limit == std::numeric_limits<std::uint64_t>::max()) return;
  // Signed members are shifted to 0 ... 2 * limit + 1, so that one unsigned comparison does.
  const std::uint64_t shift = type == ColumnType::kSigned ? limit + 1 : 0;
  const std::uint64_t most = type == ColumnType::kSigned ? 2 * limit + 1 : limit;
  if (coding_ == Coding::kFrameOfReference && width_ < 8) {
    // Most columns are proven by their width alone.
    const std::uint64_t first = base_ + shift;
    const std::uint64_t span = (std::uint64_t{1} << (8 * width_)) - 1;
    if (first <= most && span <= most - first) return;
  }
  std::array<std::uint64_t, 256> block;
  std::uint64_t largest = 0;
  for (std::uint32_t row = 0; row < rows;) {
    const std::span<std::uint64_t> part(block.data(),
                                        std::min<std::size_t>(block.size(), rows - row));
    next(part);
    for (const std::uint64_t value : part) largest = std::max(largest, value + shift);
    row += static_cast<std::uint32_t>(part.size());
  }
  if (largest > most) throw Damage("a column holds a value out of its range");
}

void ColumnDecoder::next(std::span<std::uint64_t> out) {
  if (width_ == 0) {
    for (std::uint64_t& value : out) value = running_ += step_;
  } else {
    const char* const data = data_ + row_ * width_;
    with_width(width_, [&](auto element) {
      using T = decltype(element);
      if (coding_ == Coding::kDelta) {
        running_ = unpack_delta<T>(data, running_, step_, out);
      } else {
        unpack_reference<T>(data, base_, out);
      }
    });
  }
  row_ += out.size();
  if (representation_ == Representation::kDoubleIntegral) {
    for (std::uint64_t& value : out) {
      value = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(value)));
    }
  }
}

}  // namespace rooftop::trace
