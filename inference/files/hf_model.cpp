#include "inference/files/hf_model.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "inference/files/hf_config.h"
#include "inference/files/json.h"
#include "inference/files/paths.h"
#include "inference/files/safetensors.h"
#include "inference/files/tensors.h"
#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxIndexBytes = 64 << 20;
constexpr std::size_t kMaxIndexValues = 1'000'000;

std::string tensor_name(TensorId id) {
  const auto layer = [&](const char* part) {
    return fmt::format("model.layers.{}.{}.weight", id.layer, part);
  };
  switch (id.kind) {
    case TensorKind::kEmbedding:
      return "model.embed_tokens.weight";
    case TensorKind::kAttentionNorm:
      return layer("input_layernorm");
    case TensorKind::kQ:
      return layer("self_attn.q_proj");
    case TensorKind::kK:
      return layer("self_attn.k_proj");
    case TensorKind::kV:
      return layer("self_attn.v_proj");
    case TensorKind::kO:
      return layer("self_attn.o_proj");
    case TensorKind::kMlpNorm:
      return layer("post_attention_layernorm");
    case TensorKind::kGate:
      return layer("mlp.gate_proj");
    case TensorKind::kUp:
      return layer("mlp.up_proj");
    case TensorKind::kDown:
      return layer("mlp.down_proj");
    case TensorKind::kFinalNorm:
      return "model.norm.weight";
    case TensorKind::kLmHead:
      return "lm_head.weight";
  }
  return {};
}

// A shard's name comes from a file: it must be one in the same folder.
void check_shard_name(const std::string& shard, const std::string& index) {
  const bool plain = !shard.empty() && shard.find('/') == std::string::npos &&
                     shard.find('\\') == std::string::npos &&
                     shard.find('\0') == std::string::npos && shard.ends_with(".safetensors");
  if (!plain) {
    throw InputError(
        fmt::format("{} names the file \"{}\", which is no .safetensors file of the same folder.",
                    index, printable(shard)));
  }
}

// Tensor -> shard, as model.safetensors.index.json has it.
std::map<std::string, std::string> read_index(const std::string& path) {
  const MappedFile file(path);
  if (file.bytes().size() > kMaxIndexBytes) {
    throw InputError(fmt::format("{} is too large for an index.", path));
  }
  const Json json = parse_json_object(file.text(), path, kMaxIndexValues);
  const Json* map = member(json, "weight_map");
  if (map == nullptr || !map->is_object() || map->empty()) {
    throw InputError(fmt::format("{} has no \"weight_map\".", path));
  }
  std::map<std::string, std::string> out;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) {
      throw InputError(
          fmt::format("{}: the file of tensor {} is not a string.", path, printable(tensor)));
    }
    check_shard_name(shard.get<std::string>(), path);
    out.emplace(tensor, shard.get<std::string>());
  }
  return out;
}

// All the tensors of a folder, by name, with the mappings that hold them.
struct Contents {
  std::vector<MappedFile> files;
  std::unordered_map<std::string, SafeTensor> tensors;

  void add(const std::string& path) {
    files.emplace_back(path);
    for (SafeTensor& tensor : parse_safetensors(files.back().bytes(), path)) {
      const std::string name = tensor.name;
      if (!tensors.emplace(name, std::move(tensor)).second) {
        throw InputError(fmt::format("{} is corrupt: tensor {} also stands in another shard.", path,
                                     printable(name)));
      }
    }
  }
};

Contents read_contents(const std::string& folder) {
  Contents out;
  const std::string single = join_path(folder, "model.safetensors");
  const std::string index = join_path(folder, "model.safetensors.index.json");
  if (exists(single)) {
    out.add(single);
    return out;
  }
  if (!exists(index)) {
    throw InputError(fmt::format(
        "{} holds neither model.safetensors nor model.safetensors.index.json: save the model with "
        "safe serialization.",
        folder));
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : read_index(index)) shards.insert(shard);
  for (const std::string& shard : shards) {
    const std::string path = join_path(folder, shard);
    if (!exists(path)) throw InputError(fmt::format("{} is missing, which {} names.", path, index));
    out.add(path);
  }
  return out;
}

void check_shape(const SafeTensor& tensor, TensorShape wanted, bool vector,
                 const std::string& folder) {
  const std::vector<std::int64_t>& s = tensor.shape;
  const bool same =
      vector ? s == std::vector{wanted.cols} : s == std::vector{wanted.rows, wanted.cols};
  if (!same) {
    throw InputError(fmt::format(
        "{}: tensor {} has the shape [{}], where config.json wants [{}].", folder,
        printable(tensor.name), fmt::join(s, ", "),
        vector ? fmt::format("{}", wanted.cols) : fmt::format("{}, {}", wanted.rows, wanted.cols)));
  }
}

// What may stand in a file and is not needed: the head where it is tied, and the RoPE frequencies
// that old versions of Transformers stored.
bool ignorable(const std::string& tensor, const Config& config) {
  return (config.tied_embeddings && tensor == "lm_head.weight") ||
         tensor.ends_with(".rotary_emb.inv_freq");
}

}  // namespace

std::unique_ptr<MappedModel> open_hf_model(const std::string& folder) {
  const Config config = read_hf_config(folder);
  Contents contents = read_contents(folder);
  auto model =
      std::make_unique<MappedModel>(config, std::move(contents.files), /*interleaved_rope=*/false);
  for (const TensorId id : tensors_of(config)) {
    const auto it = contents.tensors.find(tensor_name(id));
    if (it == contents.tensors.end()) {
      throw InputError(
          fmt::format("{} is incomplete: tensor {} is missing.", folder, tensor_name(id)));
    }
    check_shape(it->second, shape_of(id.kind, config), is_norm(id.kind), folder);
    model->set(id, {it->second.data.data(), it->second.encoding});
    contents.tensors.erase(it);
  }
  for (const auto& [name, tensor] : contents.tensors) {
    if (!ignorable(name, config)) {
      throw InputError(fmt::format(
          "{}: tensor {} is none of a plain Llama's (biases and the like are not supported yet).",
          folder, printable(name)));
    }
  }
  model->name_checkpoint_dtype();
  return model;
}

}  // namespace rooftop::inference
