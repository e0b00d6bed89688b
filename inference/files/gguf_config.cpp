// Metadata keys as llama.cpp reads them (llama-model.cpp, load_hparams).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>
#include <vector>

#include "inference/files/config_check.h"
#include "inference/files/gguf_model.h"
#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

[[noreturn]] void refuse(const GgufFile& file, const std::string& why) {
  throw InputError(fmt::format("{}: {}", file.name(), why));
}

std::int64_t required(const GgufFile& file, const char* key) {
  const auto value = file.integer(key);
  if (!value) {
    refuse(file, fmt::format("the metadata value {} is missing; convert the model again.", key));
  }
  return *value;
}

const GgufTensor* find_tensor(const GgufFile& file, std::string_view name) {
  const auto& all = file.tensors();
  const auto it = std::find_if(all.begin(), all.end(),
                               [&](const GgufTensor& tensor) { return tensor.name == name; });
  return it == all.end() ? nullptr : &*it;
}

std::int64_t vocabulary(const GgufFile& file) {
  if (file.has("tokenizer.ggml.tokens")) {
    return static_cast<std::int64_t>(file.strings("tokenizer.ggml.tokens")->size());
  }
  return required(file, "llama.vocab_size");
}

// How much longer llama3 scaling makes the period of each pair, as convert_hf_to_gguf.py computes
// the tensor rope_freqs (the inverse of Transformers' _compute_llama3_parameters).
std::vector<double> llama3_stretch(const RopeConfig& rope, std::int64_t head_dim) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    const double wavelength = 2.0 * std::numbers::pi * std::pow(rope.theta, exponent);
    const double turns = rope.original_max_positions / wavelength;
    if (turns > rope.high_freq_factor) {
      out.push_back(1.0);
    } else if (turns < rope.low_freq_factor) {
      out.push_back(rope.factor);
    } else {
      const double smooth =
          (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
      out.push_back(1.0 / ((1.0 - smooth) / rope.factor + smooth));
    }
  }
  return out;
}

std::vector<double> stored_stretch(const GgufFile& file, const GgufTensor& tensor,
                                   std::int64_t head_dim) {
  const auto count = static_cast<std::uint64_t>(head_dim / 2);
  const auto data = file.tensor_data(tensor, count * sizeof(float));
  if (tensor.type != 0 || tensor.shape.size() != 1 || tensor.shape[0] != head_dim / 2 ||
      data.empty()) {
    refuse(file, "the tensor rope_freqs.weight is not one F32 value for each pair of a head.");
  }
  std::vector<float> values(count);
  std::memcpy(values.data(), data.data(), data.size());
  return {values.begin(), values.end()};
}

// A file holds the stretching factors themselves, not the rule they came from. Every Llama 3.1, 3.2
// and 3.3 has low 1, high 4 and original length 8192; a file that says otherwise is refused.
void read_rope_freqs(const GgufFile& file, const GgufTensor& tensor, Config& config) {
  const auto stored = stored_stretch(file, tensor, config.head_dim);
  if (std::all_of(stored.begin(), stored.end(), [](double f) { return f == 1.0; })) return;
  RopeConfig rope = config.rope;
  rope.scaling = RopeScaling::kLlama3;
  rope.factor = stored.back();  // the slowest pair is stretched in full
  rope.low_freq_factor = 1.0;
  rope.high_freq_factor = 4.0;
  rope.original_max_positions = static_cast<double>(
      file.integer("llama.rope.scaling.original_context_length").value_or(8192));
  const auto expected = llama3_stretch(rope, config.head_dim);
  const bool same =
      std::equal(stored.begin(), stored.end(), expected.begin(),
                 [](double a, double b) { return std::abs(a - b) <= 1e-5 * std::abs(b); });
  if (!same) {
    refuse(file,
           "the tensor rope_freqs.weight is not Llama 3.1's RoPE scaling (low 1, high 4, original "
           "length 8192), and no other is supported yet: use the model's Hugging Face folder.");
  }
  config.rope = rope;
}

void read_rope(const GgufFile& file, Config& config) {
  config.rope.theta = file.number("llama.rope.freq_base").value_or(10000.0);
  const auto dimensions = file.integer("llama.rope.dimension_count").value_or(config.head_dim);
  if (dimensions != config.head_dim) {
    refuse(file, fmt::format("RoPE turns {} of a head's {} values, and turning a part of them is "
                             "not supported yet.",
                             dimensions, config.head_dim));
  }
  const auto type = file.string("llama.rope.scaling.type").value_or("linear");
  auto factor = file.number("llama.rope.scaling.factor");
  if (!factor) factor = file.number("llama.rope.scale_linear");
  const bool linear = type == "linear" && factor.value_or(0) != 0 && factor.value_or(1) != 1;
  if (linear || (type != "linear" && type != "none")) {
    refuse(file, fmt::format("the RoPE scaling \"{}\" is not supported yet: use a model without "
                             "scaling, or with that of Llama 3.1.",
                             printable(type)));
  }
  if (const GgufTensor* freqs = find_tensor(file, "rope_freqs.weight")) {
    read_rope_freqs(file, *freqs, config);
  }
}

void refuse_what_is_not_llama(const GgufFile& file) {
  const auto architecture = file.string("general.architecture");
  if (!architecture) refuse(file, "the metadata value general.architecture is missing.");
  if (*architecture != "llama") {
    refuse(file, fmt::format("the architecture is \"{}\", which is not supported yet: use a model "
                             "whose architecture is \"llama\".",
                             printable(*architecture)));
  }
  if (file.integer("llama.expert_count").value_or(0) > 0) {
    refuse(file, "the model is a mixture of experts, which is not supported yet.");
  }
  const auto splits = file.integer("split.count").value_or(1);
  if (splits > 1) {
    refuse(file, fmt::format("the model is split into {} files, which is not supported yet: merge "
                             "them with llama-gguf-split --merge.",
                             splits));
  }
}

// The type of most values, also of types that cannot be computed with.
std::string dtype_of_most_values(const GgufFile& file) {
  std::map<std::uint32_t, double> values;
  for (const GgufTensor& tensor : file.tensors()) {
    double count = 1;
    for (const std::int64_t extent : tensor.shape) count *= static_cast<double>(extent);
    values[tensor.type] += count;
  }
  const auto most =
      std::max_element(values.begin(), values.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == values.end()) return "";
  std::string name = ggml_type_name(most->first);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::int32_t token(const GgufFile& file, const char* key) {
  const auto id = file.integer(key);
  if (!id || *id < 0) return -1;
  return static_cast<std::int32_t>(std::min<std::int64_t>(*id, INT32_MAX));
}

}  // namespace

Config gguf_config(const GgufFile& file, const std::string& name) {
  refuse_what_is_not_llama(file);
  Config c;
  c.name = name;
  c.layers = required(file, "llama.block_count");
  c.hidden = required(file, "llama.embedding_length");
  c.ffn = required(file, "llama.feed_forward_length");
  c.max_positions = required(file, "llama.context_length");
  c.heads = required(file, "llama.attention.head_count");
  c.kv_heads = file.integer("llama.attention.head_count_kv").value_or(c.heads);
  if (c.heads < 1) refuse(file, "llama.attention.head_count is not positive.");
  const auto key_length = file.integer("llama.attention.key_length");
  if (!key_length && c.hidden % c.heads != 0) {
    refuse(file, fmt::format("{} heads do not divide the hidden size {}, and "
                             "llama.attention.key_length is missing.",
                             c.heads, c.hidden));
  }
  c.head_dim = key_length.value_or(c.hidden / c.heads);
  if (file.integer("llama.attention.value_length").value_or(c.head_dim) != c.head_dim) {
    refuse(file, "keys and values of different sizes are not supported yet.");
  }
  c.vocab = vocabulary(file);
  const auto eps = file.number("llama.attention.layer_norm_rms_epsilon");
  if (!eps) refuse(file, "llama.attention.layer_norm_rms_epsilon is missing.");
  c.norm_eps = *eps;
  c.tied_embeddings = find_tensor(file, "output.weight") == nullptr;
  c.checkpoint_dtype = dtype_of_most_values(file);
  c.bos_token = token(file, "tokenizer.ggml.bos_token_id");
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    const std::int32_t id = token(file, key);
    if (id >= 0 && std::find(c.eos_tokens.begin(), c.eos_tokens.end(), id) == c.eos_tokens.end()) {
      c.eos_tokens.push_back(id);
    }
  }
  check_config(c, file.name());  // before RoPE, which relies on the head size
  read_rope(file, c);
  check_config(c, file.name());
  return c;
}

}  // namespace rooftop::inference
