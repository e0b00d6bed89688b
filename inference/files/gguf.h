// The container of GGUF (versions 2 and 3, little-endian): metadata and the table of tensors.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace rooftop::inference {

enum class GgufType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

// An array as it lies in the file; its strings or numbers were walked when the file was parsed.
struct GgufArray {
  GgufType type = GgufType::kU8;  // of the elements; never kArray
  std::uint64_t count = 0;
  std::span<const std::byte> bytes;
};

using GgufValue =
    std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray>;

struct GgufTensor {
  std::string_view name;
  std::vector<std::int64_t> shape;  // fastest-varying dimension first: a matrix is {cols, rows}
  std::uint32_t type = 0;           // ggml_type
  std::uint64_t offset = 0;         // from the start of the data
};

// The parsed header. Views into `bytes`, which must outlive it.
class GgufFile {
 public:
  // `name` stands in messages. Throws InputError. Knows no tensor types: the data of a tensor is
  // checked by tensor_data().
  GgufFile(std::span<const std::byte> bytes, std::string name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const { return tensors_; }
  [[nodiscard]] std::uint64_t data_bytes() const { return data_.size(); }
  // The `size` bytes of a tensor; empty where they do not lie within the file.
  [[nodiscard]] std::span<const std::byte> tensor_data(const GgufTensor& tensor,
                                                       std::uint64_t size) const;

  // Metadata by key; nullopt where the key is absent. Throw InputError where it has another type.
  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
  [[nodiscard]] std::optional<double> number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  [[nodiscard]] std::optional<std::string_view> string(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

 private:
  void parse_metadata(class GgufCursor& cursor, std::uint64_t count);
  void parse_tensors(class GgufCursor& cursor, std::uint64_t count);
  [[nodiscard]] std::uint64_t alignment() const;
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  [[noreturn]] void wrong_type(std::string_view key, std::string_view wanted) const;

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  std::string name_;
  std::unordered_map<std::string_view, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
};

// "Q4_K" for 12; "type 99" for what no name is known of.
std::string ggml_type_name(std::uint32_t type);

}  // namespace rooftop::inference
