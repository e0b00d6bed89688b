#include "inference/files/gguf_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "inference/files/paths.h"
#include "inference/files/tensors.h"
#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

std::string tensor_name(TensorId id) {
  const auto layer = [&](const char* part) {
    return fmt::format("blk.{}.{}.weight", id.layer, part);
  };
  switch (id.kind) {
    case TensorKind::kEmbedding:
      return "token_embd.weight";
    case TensorKind::kAttentionNorm:
      return layer("attn_norm");
    case TensorKind::kQ:
      return layer("attn_q");
    case TensorKind::kK:
      return layer("attn_k");
    case TensorKind::kV:
      return layer("attn_v");
    case TensorKind::kO:
      return layer("attn_output");
    case TensorKind::kMlpNorm:
      return layer("ffn_norm");
    case TensorKind::kGate:
      return layer("ffn_gate");
    case TensorKind::kUp:
      return layer("ffn_up");
    case TensorKind::kDown:
      return layer("ffn_down");
    case TensorKind::kFinalNorm:
      return "output_norm.weight";
    case TensorKind::kLmHead:
      return "output.weight";
  }
  return {};
}

std::optional<Encoding> encoding_of(std::uint32_t ggml_type) {
  switch (ggml_type) {
    case 0:
      return Encoding::kF32;
    case 1:
      return Encoding::kF16;
    case 3:
      return Encoding::kQ4_1;
    case 8:
      return Encoding::kQ8_0;
    case 30:
      return Encoding::kBF16;
    default:
      return std::nullopt;
  }
}

struct Placed {
  const GgufTensor* tensor;
  Encoding encoding;
  std::span<const std::byte> data;
};

// Type, bounds and block size; shapes are checked once it is known which tensor it is.
Placed place(const GgufFile& file, const GgufTensor& tensor) {
  const auto encoding = encoding_of(tensor.type);
  if (!encoding) {
    throw InputError(fmt::format(
        "{}: tensor {} is {}, which is not supported yet: use a file whose tensors are F32, F16, "
        "BF16, Q8_0 or Q4_1.",
        file.name(), printable(tensor.name), ggml_type_name(tensor.type)));
  }
  if (tensor.shape[0] % facts(*encoding).block_values != 0) {
    throw InputError(fmt::format(
        "{} is corrupt: rows of tensor {} hold {} values, which is no "
        "whole number of {} blocks.",
        file.name(), printable(tensor.name), tensor.shape[0], ggml_type_name(tensor.type)));
  }
  std::int64_t values = 1;  // cannot overflow: the parser bounds the product
  for (const std::int64_t extent : tensor.shape) values *= extent;
  const auto bytes = static_cast<std::uint64_t>(encoded_bytes(*encoding, values));
  const auto data = file.tensor_data(tensor, bytes);
  if (data.empty()) {
    throw InputError(fmt::format(
        "{} is truncated or corrupt: the {} bytes of tensor {} run past the end of the file.",
        file.name(), bytes, printable(tensor.name)));
  }
  return {&tensor, *encoding, data};
}

std::vector<Placed> place_all(const GgufFile& file) {
  std::vector<Placed> out;
  for (const GgufTensor& tensor : file.tensors()) out.push_back(place(file, tensor));
  std::sort(out.begin(), out.end(),
            [](const Placed& a, const Placed& b) { return a.data.data() < b.data.data(); });
  for (std::size_t i = 1; i < out.size(); ++i) {
    if (out[i - 1].data.data() + out[i - 1].data.size() > out[i].data.data()) {
      throw InputError(fmt::format("{} is corrupt: tensors {} and {} overlap.", file.name(),
                                   printable(out[i - 1].tensor->name),
                                   printable(out[i].tensor->name)));
    }
  }
  return out;
}

void check_shape(const GgufFile& file, const GgufTensor& tensor, TensorShape wanted) {
  const std::vector<std::int64_t>& s = tensor.shape;
  const std::int64_t rows = s.size() > 1 ? s[1] : 1;
  if (s.size() > 2 || s[0] != wanted.cols || rows != wanted.rows) {
    throw InputError(fmt::format(
        "{} is corrupt: tensor {} has the shape [{}], where the metadata wants [{}, {}].",
        file.name(), printable(tensor.name), fmt::join(s, ", "), wanted.cols, wanted.rows));
  }
}

}  // namespace

std::unique_ptr<MappedModel> open_gguf_model(const std::string& path) {
  std::vector<MappedFile> files;
  files.emplace_back(path);
  const std::span<const std::byte> bytes = files.front().bytes();
  return gguf_model(bytes, std::move(files), path);
}

std::unique_ptr<MappedModel> gguf_model(std::span<const std::byte> bytes,
                                        std::vector<MappedFile> files, const std::string& path) {
  const GgufFile file(bytes, path);
  const Config config = gguf_config(file, name_of_path(path));
  std::unordered_map<std::string_view, Placed> placed;
  for (const Placed& p : place_all(file)) placed.emplace(p.tensor->name, p);

  auto model = std::make_unique<MappedModel>(config, std::move(files), /*interleaved_rope=*/true);
  for (const TensorId id : tensors_of(config)) {
    const std::string name = tensor_name(id);
    const auto it = placed.find(name);
    if (it == placed.end()) {
      throw InputError(fmt::format("{} is incomplete: tensor {} is missing.", path, name));
    }
    check_shape(file, *it->second.tensor, shape_of(id.kind, config));
    model->set(id, {it->second.data.data(), it->second.encoding});
    placed.erase(it);
  }
  placed.erase("rope_freqs.weight");  // gguf_config() has read it
  if (!placed.empty()) {
    throw InputError(fmt::format(
        "{}: tensor {} is none of a plain Llama's (biases and the like are not supported yet).",
        path, printable(placed.begin()->first)));
  }
  model->name_checkpoint_dtype();
  return model;
}

}  // namespace rooftop::inference
