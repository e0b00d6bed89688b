#include "profiler/classify/range_meaning.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

#include "profiler/classify/attention_operators.h"

namespace rooftop {
namespace {

using enum Operator;

constexpr std::size_t kLongestName = 1024;

constexpr OperatorSet kAttentionBlock = kQkv | kQ | kK | kV | kOProj | kQkPv | kQk | kPv |
                                        kSoftmax | kRope | kKvWrite | kNorm | kComm | kMemcpy |
                                        kOther;
constexpr OperatorSet kMlpBlock =
    kGateUp | kGateUpAct | kGate | kUp | kDown | kActivation | kComm | kMemcpy | kOther;
constexpr OperatorSet kLayerBlock =
    kAttentionBlock | kGateUp | kGateUpAct | kGate | kUp | kDown | kActivation | kResidual;
constexpr OperatorSet kAttentionParts = kQkPv | kQk | kPv | kSoftmax;

struct Word {
  std::string_view text;
  OperatorSet operators;
};

// The last part of a module's path: "model.layers.3.self_attn.q_proj". The whole word decides.
constexpr auto kModules = std::to_array<Word>({
    {"q_proj", set_of(kQ)},
    {"wq", set_of(kQ)},
    {"query", set_of(kQ)},
    {"k_proj", set_of(kK)},
    {"wk", set_of(kK)},
    {"key", set_of(kK)},
    {"v_proj", set_of(kV)},
    {"wv", set_of(kV)},
    {"value", set_of(kV)},
    {"qkv", set_of(kQkv)},
    {"qkv_proj", set_of(kQkv)},
    {"wqkv", set_of(kQkv)},
    {"c_attn", set_of(kQkv)},
    {"query_key_value", set_of(kQkv)},
    {"qkvparallellinear", set_of(kQkv)},
    {"o_proj", set_of(kOProj)},
    {"wo", set_of(kOProj)},
    {"out_proj", set_of(kOProj)},
    {"gate_proj", set_of(kGate)},
    {"w1", set_of(kGate)},
    {"up_proj", set_of(kUp)},
    {"w3", set_of(kUp)},
    {"fc1", set_of(kUp)},
    {"c_fc", set_of(kUp)},
    {"fc_in", set_of(kUp)},
    {"dense_h_to_4h", set_of(kUp)},
    {"gate_up_proj", set_of(kGateUp)},
    {"w1_w3", set_of(kGateUp)},
    {"w13", set_of(kGateUp)},
    {"mergedcolumnparallellinear", set_of(kGateUp)},
    {"down_proj", set_of(kDown)},
    {"w2", set_of(kDown)},
    {"fc2", set_of(kDown)},
    {"fc_out", set_of(kDown)},
    {"dense_4h_to_h", set_of(kDown)},
    {"lm_head", set_of(kLmHead)},
    {"embed_out", set_of(kLmHead)},
    {"parallellmhead", set_of(kLmHead)},
    {"logitsprocessor", kLmHead | kComm | kOther},
    {"embed_tokens", kEmbed | kComm},
    {"tok_embeddings", kEmbed | kComm},
    {"wte", kEmbed | kComm},
    {"vocab_embedding", kEmbed | kComm},
    {"embedding", kEmbed | kComm},
    {"vocabparallelembedding", kEmbed | kComm},
    {"rotary_emb", set_of(kRope)},
    {"rotaryembedding", set_of(kRope)},
    {"act_fn", set_of(kActivation)},
    {"silu", set_of(kActivation)},
    {"siluandmul", set_of(kActivation)},
    {"gelu", set_of(kActivation)},
    {"newgeluactivation", set_of(kActivation)},
    {"geluactivation", set_of(kActivation)},
    {"sampler", set_of(kSampling)},
    {"self_attn", kAttentionBlock},
    {"attn", kAttentionBlock},
    {"attention", kAttentionBlock},
    {"mlp", kMlpBlock},
    {"feed_forward", kMlpBlock},
});

// How a module's class, or an operator, ends or begins where no whole word does.
struct Part {
  std::string_view text;
  bool suffix;  // else anywhere
  OperatorSet operators;
};
constexpr auto kParts = std::to_array<Part>({
    {"rmsnorm", true, set_of(kNorm)},
    {"layernorm", true, set_of(kNorm)},
    {"_norm", true, set_of(kNorm)},
    {"_layernorm", true, set_of(kNorm)},
    {"rotaryembedding", true, set_of(kRope)},
    {"decoderlayer", true, kLayerBlock},
    {"transformerblock", true, kLayerBlock},
    {"block", true, kLayerBlock},
    {"attention", true, kAttentionBlock},
    {"attn", true, kAttentionBlock},
    {"mlp", true, kMlpBlock},
    {"feedforward", true, kMlpBlock},
    {"sampler", true, set_of(kSampling)},
    {"lmhead", true, set_of(kLmHead)},
});

// Operators of PyTorch and of engines' extensions, without their namespace.
constexpr auto kOperators = std::to_array<Word>({
    {"mm", kProducts | kRope},
    {"addmm", kProducts | kRope},
    {"linear", kProducts},
    {"matmul", kProducts | kRope},
    {"bmm", kProducts | kRope},
    {"baddbmm", kProducts | kRope},
    {"addmm_", kProducts},
    {"_scaled_mm", kProducts},
    {"_addmm_activation", kProducts},
    {"cutlass_scaled_mm", kProducts},
    {"marlin_gemm", kProducts},
    {"gptq_marlin_gemm", kProducts},
    {"awq_gemm", kProducts},
    {"_weight_int4pack_mm", kProducts},
    {"_weight_int8pack_mm", kProducts},
    {"rms_norm", set_of(kNorm)},
    {"_fused_rms_norm", set_of(kNorm)},
    {"fused_add_rms_norm", set_of(kNorm)},
    {"rmsnorm", set_of(kNorm)},
    {"fused_add_rmsnorm", set_of(kNorm)},
    {"gemma_rmsnorm", set_of(kNorm)},
    {"layer_norm", set_of(kNorm)},
    {"native_layer_norm", set_of(kNorm)},
    {"rotary_embedding", set_of(kRope)},
    {"apply_rope_pos_ids_cos_sin_cache", set_of(kRope)},
    {"cos", set_of(kRope)},
    {"sin", set_of(kRope)},
    {"reshape_and_cache", set_of(kKvWrite)},
    {"reshape_and_cache_flash", set_of(kKvWrite)},
    {"store_cache", set_of(kKvWrite)},
    {"silu_and_mul", set_of(kActivation)},
    {"gelu_and_mul", set_of(kActivation)},
    {"gelu_tanh_and_mul", set_of(kActivation)},
    {"silu", set_of(kActivation)},
    {"silu_", set_of(kActivation)},
    {"gelu", set_of(kActivation)},
    {"embedding", set_of(kEmbed)},
    {"argmax", set_of(kSampling)},
    {"multinomial", set_of(kSampling)},
    {"_softmax", kSoftmax | kSampling | kOther},
    {"_log_softmax", kSoftmax | kSampling | kOther},
});

std::string lower_case(std::string_view text) {
  std::string out(text.substr(0, kLongestName));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// The number after a key: "bs=4" for "bs=".
std::uint32_t number_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  return parse_number(text.substr(at + key.size())).value_or(0);
}

template <typename Words>
OperatorSet find_word(const Words& words, std::string_view word) {
  const auto it =
      std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.text == word; });
  return it == words.end() ? 0 : it->operators;
}

OperatorSet module_operators(std::string_view word) {
  if (const OperatorSet found = find_word(kModules, word)) return found;
  const auto it = std::find_if(kParts.begin(), kParts.end(), [&](const Part& part) {
    return part.suffix ? word.ends_with(part.text) : word.find(part.text) != word.npos;
  });
  return it == kParts.end() ? 0 : it->operators;
}

// "Qwen2DecoderLayer_5" -> 5: PyTorch counts the instances of a class.
std::string_view without_instance(std::string_view word, std::int32_t* instance) {
  std::size_t digits = word.size();
  while (digits > 0 && is_digit(word[digits - 1])) --digits;
  if (digits == word.size() || digits < 2 || word[digits - 1] != '_') return word;
  if (const auto number = parse_number(word.substr(digits)); number && *number < 100'000) {
    *instance = static_cast<std::int32_t>(*number);
  }
  return word.substr(0, digits - 1);
}

void read_module_frame(std::string_view word, RangeMeaning& meaning) {
  std::int32_t instance = -1;
  word = without_instance(word, &instance);
  if (const OperatorSet found = module_operators(word)) meaning.operators = found;
  if (meaning.operators == kLayerBlock) meaning.layer = instance;
}

// A path of names: "model.layers.3.self_attn.q_proj", "layers/3/attention/qkv/PLUGIN_V2_Gemm_0".
void read_path(std::string_view text, RangeMeaning& meaning) {
  bool indexed = false;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of("./'\" ,:}"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (indexed && !word.empty() && is_digit(word.front())) {
      if (const auto number = parse_number(word); number && *number < 100'000) {
        meaning.layer = static_cast<std::int32_t>(*number);
        if (meaning.operators == kAnyOperator) meaning.operators = kLayerBlock;
      }
    } else if (const OperatorSet found = module_operators(word)) {
      meaning.operators = found;
    } else if (word == "dense" && meaning.operators == kAttentionBlock) {
      meaning.operators = set_of(kOProj);
    } else if (word == "c_proj" || word == "proj") {
      if (meaning.operators == kAttentionBlock) meaning.operators = set_of(kOProj);
      if (meaning.operators == kMlpBlock) meaning.operators = set_of(kDown);
    } else if (word == "gate" && meaning.operators == kMlpBlock) {
      meaning.operators = kGate | kOther;  // TensorRT-LLM's up; a router elsewhere
    } else if (word == "fc" && meaning.operators == kMlpBlock) {
      meaning.operators = kGate | kGateUp | kUp;
    }
    indexed = word == "layers" || word == "h" || word == "blocks" || word == "layer";
  }
}

// "execute_context_2(512)_generation_3(3)": requests and tokens, as vLLM annotates a step.
bool read_vllm_step(std::string_view text, RangeMeaning& meaning) {
  constexpr std::string_view kContext = "execute_context_";
  constexpr std::string_view kGeneration = "_generation_";
  if (!text.starts_with(kContext)) return false;
  const auto tokens_after = [&](std::string_view key, std::uint32_t& requests,
                                std::uint32_t& tokens) {
    const auto at = text.find(key);
    if (at == std::string_view::npos) return;
    const std::string_view rest = text.substr(at + key.size());
    requests = parse_number(rest).value_or(0);
    const auto open = rest.find('(');
    if (open != std::string_view::npos) tokens = parse_number(rest.substr(open + 1)).value_or(0);
  };
  tokens_after(kContext, meaning.context_requests, meaning.context_tokens);
  tokens_after(kGeneration, meaning.generation_requests, meaning.generation_tokens);
  meaning.step = true;
  if (meaning.context_tokens > 0) {
    meaning.phase = meaning.generation_tokens > 0 ? Phase::kMixed : Phase::kInit;
  } else if (meaning.generation_tokens > 0) {
    meaning.phase = Phase::kAr;
  }
  return true;
}

// "step[DECODE bs=4]", "step[EXTEND bs=1 toks=512]", as SGLang annotates one.
bool read_sglang_step(std::string_view text, RangeMeaning& meaning) {
  if (!text.starts_with("step[")) return false;
  const auto has = [&](std::string_view word) { return text.find(word) != text.npos; };
  const std::uint32_t requests = number_after(text, "bs=");
  const std::uint32_t tokens = number_after(text, "toks=");
  meaning.step = true;
  if (has("mixed")) {
    meaning.phase = Phase::kMixed;
  } else if (has("decode") || has("verify")) {
    meaning.phase = Phase::kAr;
    meaning.generation_requests = requests;
    meaning.generation_tokens = tokens > 0 ? tokens : has("verify") ? 0 : requests;
  } else if (has("extend") || has("prefill")) {
    meaning.phase = Phase::kInit;
    meaning.context_requests = requests;
    meaning.context_tokens = tokens;
  }
  return true;
}

bool read_step(std::string_view text, RangeMeaning& meaning) {
  if (read_vllm_step(text, meaning) || read_sglang_step(text, meaning)) return true;
  constexpr auto kNames =
      std::to_array<std::string_view>({"profilerstep#", "execute_model", "execute_new_",
                                       "gpu_model_runner: forward", "run_batch", "forward_step"});
  meaning.step = std::any_of(kNames.begin(), kNames.end(),
                             [&](std::string_view name) { return text.starts_with(name); });
  meaning.iteration = text.starts_with(kNames.front());
  return meaning.step;
}

void read_operator(std::string_view op, RangeMeaning& meaning) {
  if (find_attention(op) != nullptr) {
    // These two choose among kernels, or take the two products and the softmax apart.
    const bool parts =
        op == "scaled_dot_product_attention" || op == "_scaled_dot_product_attention_math";
    meaning.operators = parts ? kAttentionParts | kOther : set_of(kQkPv);
    meaning.attention = true;
    return;
  }
  const OperatorSet found = find_word(kOperators, op);
  if (found == 0) return;
  meaning.operators = found;
  meaning.product = (found & kProducts) == kProducts;
}

}  // namespace

RangeMeaning meaning_of_range(std::string_view name) {
  RangeMeaning meaning;
  const std::string text = lower_case(name);
  std::string_view rest = text;
  constexpr std::string_view kModule = "nn.module: ";
  if (rest.starts_with(kModule)) {
    read_module_frame(rest.substr(kModule.size()), meaning);
    return meaning;
  }
  if (read_step(rest, meaning)) return meaning;
  if (text.find("backward") != text.npos || text.starts_with("optimizer.")) {
    meaning.training = true;
    return meaning;
  }
  if (text.starts_with("nccl:") || text.starts_with("c10d::") ||
      text.find("all_reduce") != text.npos) {
    meaning.operators = set_of(kComm);
    return meaning;
  }
  const auto scope = text.rfind("::");
  if (scope != text.npos) {
    read_operator(rest.substr(scope + 2), meaning);
    return meaning;
  }
  read_operator(rest, meaning);
  if (meaning.operators == kAnyOperator) read_path(rest, meaning);
  return meaning;
}

}  // namespace rooftop
