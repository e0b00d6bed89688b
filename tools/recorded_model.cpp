#include "tools/recorded_model.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "tools/model_choice.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uintmax_t kLargestConfig = std::uintmax_t{1} << 24;

json read_config(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  std::ifstream in(path);
  if (error || !in) throw InputError(fmt::format("{} cannot be read.", path.string()));
  if (size > kLargestConfig) {
    throw InputError(fmt::format("{} is larger than a config.json is.", path.string()));
  }
  json config = json::parse(in, nullptr, false);
  if (!config.is_object()) {
    throw InputError(fmt::format("{} is not JSON: name a model's config.json.", path.string()));
  }
  // Models of text and images keep the decoder's dimensions in a part of their own.
  if (!config.contains("hidden_size") && config.contains("text_config")) {
    config = config["text_config"];
  }
  return config;
}

class Dimensions {
 public:
  Dimensions(const json& config, std::string path) : config_(config), path_(std::move(path)) {}

  [[nodiscard]] std::uint32_t get(const char* key, std::uint32_t otherwise) const {
    constexpr std::uint64_t kLargest = 1U << 30;
    const auto it = config_.find(key);
    if (it == config_.end() || it->is_null()) return otherwise;
    if (!it->is_number_unsigned() || it->get<std::uint64_t>() > kLargest) {
      throw InputError(fmt::format("{}: \"{}\" is not a plausible number.", path_, key));
    }
    return it->get<std::uint32_t>();
  }
  [[nodiscard]] std::uint32_t need(const char* key) const {
    const std::uint32_t value = get(key, 0);
    if (value == 0) throw InputError(fmt::format("{} has no \"{}\".", path_, key));
    return value;
  }

 private:
  const json& config_;
  std::string path_;
};

ModelShape shape_of_config(const fs::path& path) {
  const json config = read_config(path);
  const Dimensions d(config, path.string());
  ModelShape shape;
  shape.name = fs::absolute(path).lexically_normal().parent_path().filename().string();
  shape.hidden = d.need("hidden_size");
  shape.layers = d.need("num_hidden_layers");
  shape.heads = d.need("num_attention_heads");
  shape.kv_heads = d.get("num_key_value_heads", shape.heads);
  shape.head_dim = d.get("head_dim", shape.hidden / shape.heads);
  shape.ffn = d.need("intermediate_size");
  // The closed forms know no experts: no FLOPs of the MLP rather than wrong ones.
  for (const char* experts : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (d.get(experts, 0) > 0) shape.ffn = 0;
  }
  shape.vocab = d.need("vocab_size");
  shape.max_positions = d.get("max_position_embeddings", 0);
  return shape;
}

}  // namespace

ModelShape recorded_model(const std::string& model) {
  std::error_code ignored;
  const fs::path path(model);
  if (fs::is_directory(path, ignored) && fs::exists(path / "config.json", ignored)) {
    return shape_of_config(path / "config.json");
  }
  if (path.extension() == ".json" && fs::exists(path, ignored)) return shape_of_config(path);
  return shape_of(read_model_choice(model));
}

}  // namespace rooftop::tools
