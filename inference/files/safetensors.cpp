#include "inference/files/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "inference/files/json.h"
#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxHeaderValues = 1'000'000;     // about 140,000 tensors
constexpr std::size_t kMaxDimensions = 8;
constexpr std::int64_t kMaxValues = std::int64_t{1} << 48;  // of one tensor

[[noreturn]] void refuse(const std::string& file, const std::string& tensor, const char* why) {
  throw InputError(fmt::format("{} is corrupt: tensor {} {}.", file, printable(tensor), why));
}

// A list of non-negative integers.
std::vector<std::int64_t> integers(const Json* list, const std::string& file,
                                   const std::string& tensor) {
  std::vector<std::int64_t> out;
  if (list == nullptr || !list->is_array()) refuse(file, tensor, "lacks its shape or its offsets");
  for (const Json& item : *list) {
    if (!item.is_number_unsigned() || !std::in_range<std::int64_t>(item.get<std::uint64_t>())) {
      refuse(file, tensor, "has a shape or offsets that are no non-negative integers");
    }
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

Encoding encoding_of(const Json& entry, const std::string& file, const std::string& tensor) {
  const auto dtype = string_member(entry, "dtype", file).value_or("");
  if (dtype == "F32") return Encoding::kF32;
  if (dtype == "F16") return Encoding::kF16;
  if (dtype == "BF16") return Encoding::kBF16;
  throw InputError(fmt::format(
      "{}: tensor {} is of type \"{}\", which is not supported yet: use weights of F32, F16 or "
      "BF16.",
      file, printable(tensor), printable(dtype)));
}

SafeTensor parse_entry(const std::string& tensor, const Json& entry,
                       std::span<const std::byte> data, const std::string& file) {
  if (!entry.is_object()) refuse(file, tensor, "is not described by a JSON object");
  SafeTensor out;
  out.name = tensor;
  out.encoding = encoding_of(entry, file, tensor);
  out.shape = integers(member(entry, "shape"), file, tensor);
  if (out.shape.size() > kMaxDimensions) refuse(file, tensor, "has too many dimensions");
  std::int64_t values = 1;
  for (const std::int64_t extent : out.shape) {
    if (extent == 0 || extent > kMaxValues / values)
      refuse(file, tensor, "has an impossible shape");
    values *= extent;
  }
  const auto offsets = integers(member(entry, "data_offsets"), file, tensor);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    refuse(file, tensor, "does not have two offsets in order");
  }
  if (offsets[1] > static_cast<std::int64_t>(data.size())) {
    throw InputError(
        fmt::format("{} is truncated or corrupt: tensor {} ends at byte {} of {} bytes of data.",
                    file, printable(tensor), offsets[1], data.size()));
  }
  if (offsets[1] - offsets[0] != encoded_bytes(out.encoding, values)) {
    refuse(file, tensor, "has offsets that do not fit its shape and type");
  }
  out.data = data.subspan(static_cast<std::size_t>(offsets[0]),
                          static_cast<std::size_t>(offsets[1] - offsets[0]));
  return out;
}

// Sorts by position; every byte of the data must belong to exactly one tensor.
void check_tiling(std::vector<SafeTensor>& tensors, std::span<const std::byte> data,
                  const std::string& file) {
  std::sort(tensors.begin(), tensors.end(),
            [](const SafeTensor& a, const SafeTensor& b) { return a.data.data() < b.data.data(); });
  const std::byte* end = data.data();
  for (const SafeTensor& tensor : tensors) {
    if (tensor.data.data() < end) refuse(file, tensor.name, "overlaps the one before it");
    if (tensor.data.data() > end) refuse(file, tensor.name, "does not follow the one before it");
    end += tensor.data.size();
  }
  if (end != data.data() + data.size()) {
    throw InputError(fmt::format("{} is corrupt: {} bytes after the last tensor belong to none.",
                                 file, data.data() + data.size() - end));
  }
}

}  // namespace

std::vector<SafeTensor> parse_safetensors(std::span<const std::byte> bytes,
                                          const std::string& name) {
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) {
    throw InputError(fmt::format("{} is not a safetensors file: it is too short.", name));
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes = bytes.subspan(sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size()) {
    throw InputError(fmt::format(
        "{} is truncated, or no safetensors file: its header claims {} bytes of the {} that "
        "follow.",
        name, header_bytes, bytes.size()));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()), header_bytes);
  const std::span<const std::byte> data = bytes.subspan(header_bytes);
  const Json json = parse_json_object(header, "the header of " + name, kMaxHeaderValues);

  std::vector<SafeTensor> tensors;
  for (const auto& [tensor, entry] : json.items()) {
    if (tensor != "__metadata__") tensors.push_back(parse_entry(tensor, entry, data, name));
  }
  check_tiling(tensors, data, name);
  return tensors;
}

}  // namespace rooftop::inference
