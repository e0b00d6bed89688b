#include "inference/files/hf_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "inference/files/config_check.h"
#include "inference/files/json.h"
#include "inference/files/mapped_file.h"
#include "inference/files/paths.h"
#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxConfigBytes = 16 << 20;
constexpr std::size_t kMaxConfigValues = 1 << 20;

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw InputError(fmt::format("{}: {}", file, why));
}

Json parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxConfigBytes) refuse(file, "the file is too large for a config.");
  return parse_json_object(text, file, kMaxConfigValues);
}

std::int64_t required(const Json& json, const char* key, const std::string& file) {
  const auto value = integer_member(json, key, file);
  if (!value) refuse(file, fmt::format("\"{}\" is missing; add it.", key));
  return *value;
}

void refuse_what_is_not_llama(const Json& json, const std::string& file) {
  const auto type = string_member(json, "model_type", file);
  if (!type) refuse(file, "\"model_type\" is missing; a Llama's is \"llama\".");
  if (*type != "llama") {
    refuse(file, fmt::format("the model type \"{}\" is not supported yet: use a model of type "
                             "\"llama\".",
                             printable(*type)));
  }
  const auto activation = string_member(json, "hidden_act", file).value_or("silu");
  if (activation != "silu") {
    refuse(file, fmt::format("the activation \"{}\" is not supported yet, only \"silu\".",
                             printable(activation)));
  }
  for (const char* bias : {"attention_bias", "mlp_bias"}) {
    if (boolean_member(json, bias, file).value_or(false)) {
      refuse(file, fmt::format("\"{}\" is true, and biases are not supported yet.", bias));
    }
  }
  if (const Json* quantization = member(json, "quantization_config")) {
    const auto method = string_member(*quantization, "quant_method", file).value_or("unknown");
    refuse(file, fmt::format("weights quantised with \"{}\" are not supported yet: use the "
                             "original weights, or a GGUF file with Q8_0 or Q4_1.",
                             printable(method)));
  }
}

double required_rope(const Json& rope, const char* key, const std::string& file) {
  const auto value = number_member(rope, key, file);
  if (!value) refuse(file, fmt::format("\"{}\" of the llama3 RoPE scaling is missing.", key));
  return *value;
}

// Version 4: rope_theta beside rope_scaling {type or rope_type, ...} or null.
// Version 5: rope_parameters {rope_theta, rope_type, ...}.
RopeConfig read_rope(const Json& json, const std::string& file) {
  RopeConfig out;
  const Json* rope = member(json, "rope_parameters");
  if (rope == nullptr) rope = member(json, "rope_scaling");
  const Json none = Json::object();
  if (rope == nullptr) rope = &none;
  if (!rope->is_object()) refuse(file, "the RoPE parameters are not a JSON object.");

  auto theta = number_member(*rope, "rope_theta", file);
  if (!theta) theta = number_member(json, "rope_theta", file);
  out.theta = theta.value_or(10000.0);
  for (const Json* where : {&json, rope}) {
    if (number_member(*where, "partial_rotary_factor", file).value_or(1.0) != 1.0) {
      refuse(file,
             "\"partial_rotary_factor\" is not 1, and turning a part of a head is not "
             "supported yet.");
    }
  }
  auto type = string_member(*rope, "rope_type", file);
  if (!type) type = string_member(*rope, "type", file);
  if (type.value_or("default") == "default") return out;
  if (*type != "llama3") {
    refuse(file, fmt::format("the RoPE type \"{}\" is not supported yet, only \"default\" and "
                             "\"llama3\".",
                             printable(*type)));
  }
  out.scaling = RopeScaling::kLlama3;
  out.factor = required_rope(*rope, "factor", file);
  out.low_freq_factor = required_rope(*rope, "low_freq_factor", file);
  out.high_freq_factor = required_rope(*rope, "high_freq_factor", file);
  out.original_max_positions = required_rope(*rope, "original_max_position_embeddings", file);
  return out;
}

// Absent means float32, as it does to Transformers.
std::string read_dtype(const Json& json, const std::string& file) {
  auto dtype = string_member(json, "dtype", file);
  if (!dtype) dtype = string_member(json, "torch_dtype", file);
  const std::string name = dtype.value_or("float32");
  if (name == "float32") return "f32";
  if (name == "float16") return "f16";
  if (name == "bfloat16") return "bf16";
  refuse(file, fmt::format("the type \"{}\" of the weights is not supported yet: use float32, "
                           "float16 or bfloat16.",
                           printable(name)));
}

std::int32_t token_id(const Json& value, const char* key, const std::string& file) {
  const bool beyond = value.is_number_unsigned()
                          ? value.get<std::uint64_t>() > INT32_MAX
                          : value.is_number_integer() && value.get<std::int64_t>() > INT32_MAX;
  if (!value.is_number_integer() || beyond) {
    refuse(file, fmt::format("\"{}\" holds what is no token id.", key));
  }
  return static_cast<std::int32_t>(std::max<std::int64_t>(value.get<std::int64_t>(), -1));
}

constexpr std::size_t kMostEosTokens = 1024;

// Adds the id, or the list of ids, that stand under eos_token_id; negative ones mean none.
void add_eos_tokens(const Json& json, const std::string& file, std::vector<std::int32_t>& out) {
  const Json* value = member(json, "eos_token_id");
  if (value == nullptr) return;
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > kMostEosTokens) {
    refuse(file, "\"eos_token_id\" lists more tokens than any model has.");
  }
  for (const Json& item : list) {
    const std::int32_t id = token_id(item, "eos_token_id", file);
    if (id >= 0 && std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  }
}

}  // namespace

Config parse_hf_config(std::string_view text, const std::string& file, const std::string& name) {
  const Json json = parse(text, file);
  refuse_what_is_not_llama(json, file);
  Config c;
  c.name = name;
  c.hidden = required(json, "hidden_size", file);
  c.layers = required(json, "num_hidden_layers", file);
  c.heads = required(json, "num_attention_heads", file);
  c.ffn = required(json, "intermediate_size", file);
  c.vocab = required(json, "vocab_size", file);
  c.kv_heads = integer_member(json, "num_key_value_heads", file).value_or(c.heads);
  c.max_positions = integer_member(json, "max_position_embeddings", file).value_or(2048);
  c.norm_eps = number_member(json, "rms_norm_eps", file).value_or(1e-6);
  c.tied_embeddings = boolean_member(json, "tie_word_embeddings", file).value_or(false);
  if (c.heads < 1) refuse(file, "\"num_attention_heads\" is not positive; correct the file.");
  const auto head_dim = integer_member(json, "head_dim", file);
  if (!head_dim && c.hidden % c.heads != 0) {
    refuse(file, fmt::format("{} heads do not divide the hidden size {}, and \"head_dim\" is "
                             "missing.",
                             c.heads, c.hidden));
  }
  c.head_dim = head_dim.value_or(c.hidden / c.heads);
  c.rope = read_rope(json, file);
  c.checkpoint_dtype = read_dtype(json, file);
  if (const Json* bos = member(json, "bos_token_id")) {
    c.bos_token = token_id(*bos, "bos_token_id", file);
  }
  add_eos_tokens(json, file, c.eos_tokens);
  check_config(c, file);
  return c;
}

Config read_hf_config(const std::string& folder) {
  const std::string file = join_path(folder, "config.json");
  Config config = parse_hf_config(MappedFile(file).text(), file, name_of_path(folder));
  const std::string generation = join_path(folder, "generation_config.json");
  if (exists(generation)) {
    add_eos_tokens(parse(MappedFile(generation).text(), generation), generation, config.eos_tokens);
    check_config(config, generation);
  }
  return config;
}

}  // namespace rooftop::inference
