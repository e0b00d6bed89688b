#include "tools/model_choice.h"

#include <filesystem>

#include "inference/files/model_files.h"
#include "profiler/model/model_shapes.h"

namespace rooftop::tools {
namespace {

bool is_path(const std::string& model) {
  std::error_code ignored;
  return std::filesystem::exists(model, ignored);
}

inference::Config to_config(const NamedModel& model) {
  inference::Config config;
  config.name = model.shape.name;
  config.hidden = model.shape.hidden;
  config.layers = model.shape.layers;
  config.heads = model.shape.heads;
  config.kv_heads = model.shape.kv_heads;
  config.head_dim = model.shape.head_dim;
  config.ffn = model.shape.ffn;
  config.vocab = model.shape.vocab;
  config.max_positions = model.shape.max_positions;
  config.tied_embeddings = model.shape.tied_embeddings;
  config.norm_eps = model.norm_eps;
  config.rope.theta = model.rope_theta;
  if (model.rope_scaling) {
    config.rope.scaling = inference::RopeScaling::kLlama3;
    config.rope.factor = model.rope_scaling->factor;
    config.rope.low_freq_factor = model.rope_scaling->low_freq_factor;
    config.rope.high_freq_factor = model.rope_scaling->high_freq_factor;
    config.rope.original_max_positions = model.rope_scaling->original_max_positions;
  }
  config.checkpoint_dtype = "bf16";  // what these models are published in, or as good as
  return config;
}

}  // namespace

std::unique_ptr<inference::WeightSource> open_model_choice(const std::string& model,
                                                           std::uint64_t seed) {
  if (is_path(model)) return inference::open_model(model);
  return inference::random_model(to_config(named_model(model)), seed);
}

inference::Config read_model_choice(const std::string& model) {
  if (is_path(model)) return inference::read_config(model);
  return to_config(named_model(model));
}

ModelShape shape_of(const inference::Config& config) {
  ModelShape shape;
  shape.name = config.name;
  shape.hidden = static_cast<std::uint32_t>(config.hidden);
  shape.layers = static_cast<std::uint32_t>(config.layers);
  shape.heads = static_cast<std::uint32_t>(config.heads);
  shape.kv_heads = static_cast<std::uint32_t>(config.kv_heads);
  shape.head_dim = static_cast<std::uint32_t>(config.head_dim);
  shape.ffn = static_cast<std::uint32_t>(config.ffn);
  shape.vocab = static_cast<std::uint32_t>(config.vocab);
  shape.tied_embeddings = config.tied_embeddings;
  shape.max_positions = static_cast<std::uint32_t>(config.max_positions);
  return shape;
}

}  // namespace rooftop::tools
