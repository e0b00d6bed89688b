#include "inference/files/gguf.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <iterator>
#include <limits>
#include <unordered_set>
#include <utility>

#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65535;        // as the format says
constexpr std::uint64_t kMaxTensorNameBytes = 1024;  // ggml itself allows 63
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr std::uint64_t kMaxEntries =
    65536;  // of metadata, and of tensors: real files have less than 2000
constexpr std::uint64_t kMaxValues = std::uint64_t{1} << 48;  // of one tensor

// Bytes of one element; 0 for strings, which vary, and for what is no element type.
std::uint64_t fixed_size(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

}  // namespace

// Reads forward through the file and never past its end.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }

  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > bytes_.size() - position_) {
      throw InputError(
          fmt::format("{} is truncated or corrupt: {} at byte {} runs past the end of the file.",
                      name_, what, position_));
    }
    const auto out = bytes_.subspan(position_, count);
    position_ += count;
    return out;
  }

  template <typename T>
  T scalar(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view string(std::uint64_t limit, std::string_view what) {
    const auto size = scalar<std::uint64_t>(what);
    if (size > limit) {
      throw InputError(fmt::format("{} is corrupt: {} at byte {} claims {} bytes, the most is {}.",
                                   name_, what, position_, size, limit));
    }
    const auto text = take(size, what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  GgufType type(std::string_view what) {
    const auto raw = scalar<std::uint32_t>(what);
    if (raw > static_cast<std::uint32_t>(GgufType::kF64)) {
      throw InputError(
          fmt::format("{} is corrupt: {} has the unknown value type {}.", name_, what, raw));
    }
    return static_cast<GgufType>(raw);
  }

  GgufValue value(GgufType type, std::string_view what) {
    switch (type) {
      case GgufType::kU8:
        return std::uint64_t{scalar<std::uint8_t>(what)};
      case GgufType::kI8:
        return std::int64_t{scalar<std::int8_t>(what)};
      case GgufType::kU16:
        return std::uint64_t{scalar<std::uint16_t>(what)};
      case GgufType::kI16:
        return std::int64_t{scalar<std::int16_t>(what)};
      case GgufType::kU32:
        return std::uint64_t{scalar<std::uint32_t>(what)};
      case GgufType::kI32:
        return std::int64_t{scalar<std::int32_t>(what)};
      case GgufType::kF32:
        return double{scalar<float>(what)};
      case GgufType::kBool:
        return scalar<std::uint8_t>(what) != 0;
      case GgufType::kString:
        return string(std::numeric_limits<std::uint64_t>::max(), what);
      case GgufType::kArray:
        return array(what);
      case GgufType::kU64:
        return scalar<std::uint64_t>(what);
      case GgufType::kI64:
        return scalar<std::int64_t>(what);
      case GgufType::kF64:
        return scalar<double>(what);
    }
    return std::uint64_t{0};
  }

 private:
  GgufArray array(std::string_view what) {
    GgufArray out;
    out.type = type(what);
    out.count = scalar<std::uint64_t>(what);
    if (out.type == GgufType::kArray) {
      throw InputError(
          fmt::format("{} is corrupt: {} is an array of arrays, which GGUF files of models do not "
                      "have.",
                      name_, what));
    }
    const std::uint64_t begin = position_;
    if (out.type == GgufType::kString) {
      for (std::uint64_t i = 0; i < out.count; ++i) {
        string(std::numeric_limits<std::uint64_t>::max(), what);
      }
    } else {
      if (out.count > bytes_.size()) {  // also keeps the product below from overflowing
        throw InputError(fmt::format("{} is truncated or corrupt: {} claims {} elements.", name_,
                                     what, out.count));
      }
      take(out.count * fixed_size(out.type), what);
    }
    out.bytes = bytes_.subspan(begin, position_ - begin);
    return out;
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::uint64_t position_ = 0;
};

GgufFile::GgufFile(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  GgufCursor cursor(bytes_, name_);
  if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    throw InputError(fmt::format("{} is not a GGUF file: it does not begin with GGUF.", name_));
  }
  cursor.take(4, "the magic");
  const auto version = cursor.scalar<std::uint32_t>("the version");
  if (version == 0x02000000u || version == 0x03000000u) {
    throw InputError(
        fmt::format("{} is a big-endian GGUF file, which is not supported: convert it.", name_));
  }
  if (version != 2 && version != 3) {
    throw InputError(fmt::format(
        "{} is GGUF version {}, which is not supported: use version 2 or 3.", name_, version));
  }
  const auto tensor_count = cursor.scalar<std::uint64_t>("the number of tensors");
  const auto value_count = cursor.scalar<std::uint64_t>("the number of metadata values");
  if (tensor_count > kMaxEntries || value_count > kMaxEntries) {
    throw InputError(fmt::format("{} is corrupt: it claims {} tensors and {} metadata values.",
                                 name_, tensor_count, value_count));
  }
  parse_metadata(cursor, value_count);
  parse_tensors(cursor, tensor_count);

  const std::uint64_t align = alignment();
  const std::uint64_t data_start = (cursor.position() + align - 1) / align * align;
  data_ = data_start < bytes_.size() ? bytes_.subspan(data_start) : std::span<const std::byte>();
  for (const GgufTensor& tensor : tensors_) {
    if (tensor.offset % align != 0 || tensor.offset > data_.size()) {
      throw InputError(fmt::format(
          "{} is truncated or corrupt: tensor {} begins at byte {} of {} bytes of data, aligned to "
          "{}.",
          name_, printable(tensor.name), tensor.offset, data_.size(), align));
    }
  }
}

void GgufFile::parse_metadata(GgufCursor& cursor, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view key = cursor.string(kMaxKeyBytes, "a metadata key");
    const std::string what = "metadata value " + printable(key);
    const GgufType type = cursor.type(what);
    if (!values_.emplace(key, cursor.value(type, what)).second) {
      throw InputError(
          fmt::format("{} is corrupt: metadata key {} stands twice.", name_, printable(key)));
    }
  }
}

void GgufFile::parse_tensors(GgufCursor& cursor, std::uint64_t count) {
  std::unordered_set<std::string_view> seen;
  for (std::uint64_t i = 0; i < count; ++i) {
    GgufTensor tensor;
    tensor.name = cursor.string(kMaxTensorNameBytes, "a tensor's name");
    const std::string what = "the entry of tensor " + printable(tensor.name);
    if (!seen.insert(tensor.name).second) {
      throw InputError(
          fmt::format("{} is corrupt: tensor {} stands twice.", name_, printable(tensor.name)));
    }
    const auto dimensions = cursor.scalar<std::uint32_t>(what);
    if (dimensions == 0 || dimensions > kMaxDimensions) {
      throw InputError(fmt::format("{} is corrupt: tensor {} has {} dimensions.", name_,
                                   printable(tensor.name), dimensions));
    }
    std::uint64_t values = 1;
    for (std::uint32_t d = 0; d < dimensions; ++d) {
      const auto extent = cursor.scalar<std::uint64_t>(what);
      if (extent == 0 || extent > kMaxValues / values) {
        throw InputError(fmt::format("{} is corrupt: tensor {} has an impossible shape.", name_,
                                     printable(tensor.name)));
      }
      values *= extent;
      tensor.shape.push_back(static_cast<std::int64_t>(extent));
    }
    tensor.type = cursor.scalar<std::uint32_t>(what);
    tensor.offset = cursor.scalar<std::uint64_t>(what);
    tensors_.push_back(std::move(tensor));
  }
}

std::uint64_t GgufFile::alignment() const {
  const auto given = integer("general.alignment");
  const auto align = static_cast<std::uint64_t>(given.value_or(kDefaultAlignment));
  if (!std::has_single_bit(align) || align < 8 || align > kMaxAlignment) {
    throw InputError(
        fmt::format("{} is corrupt: general.alignment is {}, no power of two from 8 to {}.", name_,
                    given.value_or(0), kMaxAlignment));
  }
  return align;
}

std::span<const std::byte> GgufFile::tensor_data(const GgufTensor& tensor,
                                                 std::uint64_t size) const {
  if (tensor.offset > data_.size() || size > data_.size() - tensor.offset) return {};
  return data_.subspan(tensor.offset, size);
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

void GgufFile::wrong_type(std::string_view key, std::string_view wanted) const {
  throw InputError(fmt::format("{} is corrupt: metadata value {} is not {}.", name_, key, wanted));
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(value)) return *i;
  if (const auto* u = std::get_if<std::uint64_t>(value)) {
    if (*u <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return static_cast<std::int64_t>(*u);
    }
  }
  wrong_type(key, "an integer of 64 bits with a sign");
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* d = std::get_if<double>(value)) return *d;
  wrong_type(key, "a floating-point number");
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* b = std::get_if<bool>(value)) return *b;
  wrong_type(key, "true or false");
}

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* s = std::get_if<std::string_view>(value)) return *s;
  wrong_type(key, "a string");
}

std::optional<std::vector<std::string_view>> GgufFile::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr || array->type != GgufType::kString) wrong_type(key, "an array of strings");
  GgufCursor cursor(array->bytes, name_);
  std::vector<std::string_view> out;
  out.reserve(array->count);
  for (std::uint64_t i = 0; i < array->count; ++i) {
    out.push_back(cursor.string(std::numeric_limits<std::uint64_t>::max(), key));
  }
  return out;
}

std::optional<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto* array = std::get_if<GgufArray>(value);
  if (array == nullptr || array->type == GgufType::kString) wrong_type(key, "an array of integers");
  GgufCursor cursor(array->bytes, name_);
  std::vector<std::int64_t> out;
  out.reserve(array->count);
  for (std::uint64_t i = 0; i < array->count; ++i) {
    const GgufValue element = cursor.value(array->type, key);
    if (const auto* s = std::get_if<std::int64_t>(&element)) {
      out.push_back(*s);
    } else if (const auto* u = std::get_if<std::uint64_t>(&element);
               u != nullptr && std::in_range<std::int64_t>(*u)) {
      out.push_back(static_cast<std::int64_t>(*u));
    } else {
      wrong_type(key, "an array of integers");
    }
  }
  return out;
}

std::string ggml_type_name(std::uint32_t type) {
  // ggml_type in ggml.h; the gaps are types that were withdrawn.
  static constexpr std::string_view kNames[] = {
      "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
      "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
      "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
      "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0",
      "",        "",      "",       "MXFP4", "NVFP4", "Q1_0"};
  if (type < std::size(kNames) && !kNames[type].empty()) return std::string(kNames[type]);
  return fmt::format("type {}", type);
}

}  // namespace rooftop::inference
