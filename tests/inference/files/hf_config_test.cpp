#include "inference/files/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "profiler/core/error.h"
#include "tests/inference/fixtures.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

// Llama 3.2 1B's own config.json, less what is not read.
Json llama32() {
  return Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072,
    "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
    "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "vocab_size": 128256})");
}

// The same as Transformers 5 writes it.
Json llama32_version_5() {
  Json json = llama32();
  json["rope_parameters"] = json["rope_scaling"];
  json["rope_parameters"]["rope_theta"] = json["rope_theta"];
  json["dtype"] = json["torch_dtype"];
  for (const char* old : {"rope_scaling", "rope_theta", "torch_dtype"}) json.erase(old);
  return json;
}

Config parse(const Json& json) { return parse_hf_config(json.dump(), "config.json", "m"); }

std::string error_after(const std::function<void(Json&)>& change) {
  Json json = llama32();
  change(json);
  try {
    parse(json);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

testing::Matcher<std::string> names(const std::string& what) {
  return AllOf(HasSubstr("config.json"), HasSubstr(what));
}

TEST(HfConfig, ReadsBothStyles) {
  for (const Json& json : {llama32(), llama32_version_5()}) {
    const Config c = parse(json);
    EXPECT_EQ(c.name, "m");
    EXPECT_EQ(c.hidden, 2048);
    EXPECT_EQ(c.layers, 16);
    EXPECT_EQ(c.heads, 32);
    EXPECT_EQ(c.kv_heads, 8);
    EXPECT_EQ(c.head_dim, 64);
    EXPECT_EQ(c.ffn, 8192);
    EXPECT_EQ(c.vocab, 128256);
    EXPECT_EQ(c.max_positions, 131072);
    EXPECT_EQ(c.norm_eps, 1e-5);
    EXPECT_TRUE(c.tied_embeddings);
    EXPECT_EQ(c.checkpoint_dtype, "bf16");
    EXPECT_EQ(c.bos_token, 128000);
    EXPECT_EQ(c.eos_tokens, (std::vector<std::int32_t>{128001, 128008, 128009}));
    EXPECT_EQ(c.rope.theta, 500000.0);
    EXPECT_EQ(c.rope.scaling, RopeScaling::kLlama3);
    EXPECT_EQ(c.rope.factor, 32.0);
    EXPECT_EQ(c.rope.low_freq_factor, 1.0);
    EXPECT_EQ(c.rope.high_freq_factor, 4.0);
    EXPECT_EQ(c.rope.original_max_positions, 8192.0);
  }
}

// What LlamaConfig() of Transformers has where the file is silent.
TEST(HfConfig, HasTheDefaultsOfTransformers) {
  const Config c = parse(Json::parse(R"({"model_type": "llama", "hidden_size": 64,
      "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 96,
      "vocab_size": 100, "rope_scaling": null, "eos_token_id": 2})"));
  EXPECT_EQ(c.kv_heads, 4);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.max_positions, 2048);
  EXPECT_EQ(c.norm_eps, 1e-6);
  EXPECT_EQ(c.rope.theta, 10000.0);
  EXPECT_EQ(c.rope.scaling, RopeScaling::kNone);
  EXPECT_FALSE(c.tied_embeddings);
  EXPECT_EQ(c.checkpoint_dtype, "f32");
  EXPECT_EQ(c.eos_tokens, (std::vector<std::int32_t>{2}));
}

TEST(HfConfig, AddsTheEndTokensOfGeneration) {
  const TemporaryFolder folder;
  Json json = llama32();
  json["eos_token_id"] = 128001;
  folder.write("config.json", json.dump());
  EXPECT_EQ(read_hf_config(folder.path().string()).eos_tokens, (std::vector<std::int32_t>{128001}));
  folder.write("generation_config.json", R"({"eos_token_id": [128009, 128001]})");
  EXPECT_EQ(read_hf_config(folder.path().string()).eos_tokens,
            (std::vector<std::int32_t>{128001, 128009}));
  folder.write("generation_config.json", R"({"eos_token_id": [999999]})");
  EXPECT_THROW(read_hf_config(folder.path().string()), InputError);
}

TEST(HfConfig, RefusesByNameWhatItCannotRun) {
  EXPECT_THAT(error_after([](Json& j) { j["model_type"] = "qwen2"; }), names("\"qwen2\""));
  EXPECT_THAT(error_after([](Json& j) { j.erase("model_type"); }), names("model_type"));
  EXPECT_THAT(error_after([](Json& j) { j["hidden_act"] = "gelu"; }), names("\"gelu\""));
  EXPECT_THAT(error_after([](Json& j) { j["attention_bias"] = true; }), names("attention_bias"));
  EXPECT_THAT(error_after([](Json& j) { j["mlp_bias"] = true; }), names("mlp_bias"));
  EXPECT_THAT(error_after([](Json& j) {
                j["quantization_config"] = {{"quant_method", "gptq"}};
              }),
              names("\"gptq\""));
  EXPECT_THAT(error_after([](Json& j) { j["torch_dtype"] = "float8_e4m3fn"; }),
              names("float8_e4m3fn"));
  EXPECT_THAT(error_after([](Json& j) { j["partial_rotary_factor"] = 0.5; }),
              names("partial_rotary_factor"));
  for (const char* type : {"linear", "dynamic", "yarn", "longrope"}) {
    EXPECT_THAT(error_after([&](Json& j) { j["rope_scaling"]["rope_type"] = type; }), names(type));
    EXPECT_THAT(error_after([&](Json& j) {
                  j["rope_scaling"] = {{"type", type}, {"factor", 2.0}};
                }),
                names(type));
    EXPECT_THAT(error_after([&](Json& j) {
                  j["rope_parameters"] = {{"rope_type", type}, {"rope_theta", 1e4}};
                }),
                names(type));
  }
}

TEST(HfConfig, RefusesImpossibleNumbers) {
  for (const char* key : {"hidden_size", "num_attention_heads", "num_hidden_layers",
                          "intermediate_size", "vocab_size"}) {
    EXPECT_THAT(error_after([&](Json& j) { j.erase(key); }), names(key));
    EXPECT_NE(error_after([&](Json& j) { j[key] = 0; }), "accepted") << key;
    EXPECT_NE(error_after([&](Json& j) { j[key] = -1; }), "accepted") << key;
    EXPECT_NE(error_after([&](Json& j) { j[key] = std::uint64_t{1} << 63; }), "accepted") << key;
    EXPECT_NE(error_after([&](Json& j) { j[key] = std::int64_t{1} << 40; }), "accepted") << key;
    EXPECT_THAT(error_after([&](Json& j) { j[key] = "12"; }), names(key));
    EXPECT_THAT(error_after([&](Json& j) { j[key] = 1.5; }), names(key));
  }
  EXPECT_THAT(error_after([](Json& j) { j["num_key_value_heads"] = 5; }), names("share 5"));
  EXPECT_THAT(error_after([](Json& j) { j["head_dim"] = 63; }), names("odd"));
  EXPECT_THAT(error_after([](Json& j) { j.erase("head_dim"), j["hidden_size"] = 2049; }),
              names("do not divide"));
  EXPECT_THAT(error_after([](Json& j) { j["rms_norm_eps"] = 0; }), names("epsilon"));
  EXPECT_THAT(error_after([](Json& j) { j["rms_norm_eps"] = "1e-5"; }), names("rms_norm_eps"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_theta"] = 0; }), names("RoPE base"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_theta"] = -1.0; }), names("RoPE base"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_scaling"]["factor"] = 0.0; }), names("llama3"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_scaling"]["low_freq_factor"] = 4.0; }),
              names("llama3"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_scaling"].erase("factor"); }), names("factor"));
  EXPECT_THAT(error_after([](Json& j) { j["rope_scaling"] = "llama3"; }), names("RoPE parameters"));
  EXPECT_THAT(error_after([](Json& j) { j["eos_token_id"] = "x"; }), names("eos_token_id"));
  EXPECT_THAT(error_after([](Json& j) { j["eos_token_id"] = 128256; }), names("EOS token"));
  EXPECT_THAT(error_after([](Json& j) { j["bos_token_id"] = 128256; }), names("BOS token"));
  EXPECT_THAT(error_after([](Json& j) { j["eos_token_id"] = 1ull << 40; }), names("eos_token_id"));
}

TEST(HfConfig, RefusesWhatIsNoJson) {
  const auto error = [](const std::string& text) {
    try {
      parse_hf_config(text, "config.json", "m");
    } catch (const InputError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(error(""), names("not valid JSON"));
  EXPECT_THAT(error("{"), names("not valid JSON"));
  EXPECT_THAT(error("3"), names("not a JSON object"));
  EXPECT_THAT(error(std::string(20 << 20, ' ')), names("too large"));
  EXPECT_THAT(error(std::string(1 << 20, '[')), names("nested deeper"));
  const std::string good = llama32().dump();
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_NE(error(good.substr(0, size)), "accepted") << size;
  }
}

}  // namespace
}  // namespace rooftop::inference
