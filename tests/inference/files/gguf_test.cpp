#include "inference/files/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "inference/files/gguf_model.h"
#include "inference/files/tensors.h"
#include "profiler/core/error.h"
#include "tests/inference/files/gguf_builder.h"

namespace rooftop::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string error_of(const std::string& bytes) {
  try {
    gguf_model(as_bytes(bytes), {}, "m.gguf");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string error_after(const std::function<void(GgufBuilder&)>& change) {
  GgufBuilder builder;
  change(builder);
  return error_of(builder.bytes());
}

// One sentence that names the file and `what`.
testing::Matcher<std::string> names(const std::string& what) {
  return AllOf(HasSubstr("m.gguf"), HasSubstr(what));
}

TEST(Gguf, ReadsAModelOfEveryDefault) {
  GgufBuilder builder;
  builder.erase("llama.attention.head_count_kv");
  builder.tensor("blk.0.attn_k.weight").shape = {32, 32};
  builder.tensor("blk.0.attn_k.weight").data.resize(4096);
  builder.tensor("blk.0.attn_v.weight").shape = {32, 32};
  builder.tensor("blk.0.attn_v.weight").data.resize(4096);
  const std::string bytes = builder.bytes();
  const auto model = gguf_model(as_bytes(bytes), {}, "folder/tiny.gguf");
  const Config& c = model->config();
  EXPECT_EQ(c.name, "tiny");
  EXPECT_EQ(c.kv_heads, 2);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.rope.theta, 10000.0);
  EXPECT_EQ(c.rope.scaling, RopeScaling::kNone);
  EXPECT_TRUE(c.tied_embeddings);  // there is no output.weight
  EXPECT_EQ(c.bos_token, -1);
  EXPECT_TRUE(c.eos_tokens.empty());
  EXPECT_EQ(c.checkpoint_dtype, "f32");
}

// convert_hf_to_gguf.py stores row j of the first half of a head at 2j, of the second at 2j + 1.
TEST(Gguf, GivesQAndKHalfSplit) {
  const std::string bytes = GgufBuilder().bytes();
  const auto model = gguf_model(as_bytes(bytes), {}, "m.gguf");
  std::vector<float> rows(32 * 32);
  model->read_rows({TensorKind::kQ, 0}, 0, 32, rows);
  for (int head = 0; head < 2; ++head) {
    for (int r = 0; r < 16; ++r) {
      const int stored = head * 16 + (r < 8 ? 2 * r : 2 * (r - 8) + 1);
      EXPECT_EQ(rows[static_cast<std::size_t>((head * 16 + r) * 32)],
                static_cast<float>(stored * 32));
    }
  }
  std::vector<float> v(2 * 32);
  model->read_rows({TensorKind::kV, 0}, 3, 2, v);
  EXPECT_EQ(v[0], 3 * 32.0f);
  EXPECT_EQ(v[63], 5 * 32.0f - 1);
}

TEST(Gguf, ReadsEndTokens) {
  GgufBuilder builder;
  builder.set("tokenizer.ggml.bos_token_id", GgufBuilder::u32(1));
  builder.set("tokenizer.ggml.eos_token_id", GgufBuilder::u32(2));
  builder.set("tokenizer.ggml.eot_token_id", GgufBuilder::u32(5));
  const std::string bytes = builder.bytes();
  const Config c = gguf_config(GgufFile(as_bytes(bytes), "m.gguf"), "m");
  EXPECT_EQ(c.bos_token, 1);
  EXPECT_EQ(c.eos_tokens, (std::vector<std::int32_t>{2, 5}));
}

// What convert_hf_to_gguf.py's LlamaModel.generate_extra_tensors gives for Llama 3.2 1B's scaling
// (theta 5e5, factor 32, low 1, high 4, original length 8192) at head size 16, run with PyTorch.
constexpr float kLlama32Factors[] = {1, 1, 1, 1, 3.2922627925872803f, 32, 32, 32};

TEST(Gguf, RecognisesLlama3RopeByItsFactors) {
  GgufBuilder builder;
  builder.set("llama.rope.freq_base", GgufBuilder::f32(500000.0f));
  Bytes factors;
  for (const float f : kLlama32Factors) factors.put(f);
  builder.tensors.push_back({"rope_freqs.weight", {8}, 0, factors.data(), -1});
  const std::string bytes = builder.bytes();
  const auto model = gguf_model(as_bytes(bytes), {}, "m.gguf");
  const RopeConfig& rope = model->config().rope;
  EXPECT_EQ(rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(rope.factor, 32.0);
  EXPECT_EQ(rope.low_freq_factor, 1.0);
  EXPECT_EQ(rope.high_freq_factor, 4.0);
  EXPECT_EQ(rope.original_max_positions, 8192.0);

  // Any other set of factors is refused, not approximated.
  BuiltTensor& tensor = builder.tensor("rope_freqs.weight");
  const float other = 3.0f;
  std::memcpy(tensor.data.data() + 5 * sizeof other, &other, sizeof other);
  EXPECT_THAT(error_of(builder.bytes()), names("rope_freqs.weight"));
  // Factors of 1 change nothing.
  tensor.data.clear();
  for (int i = 0; i < 8; ++i) tensor.data += Bytes().put(1.0f).data();
  const std::string plain = builder.bytes();
  EXPECT_EQ(gguf_model(as_bytes(plain), {}, "m.gguf")->config().rope.scaling, RopeScaling::kNone);
}

// `predict` needs the shape only: any quantisation will do.
TEST(Gguf, ReadsTheConfigOfAnyQuantisation) {
  GgufBuilder builder;
  for (BuiltTensor& tensor : builder.tensors) tensor.type = 12;
  const std::string bytes = builder.bytes();
  const Config c = gguf_config(GgufFile(as_bytes(bytes), "m.gguf"), "m");
  EXPECT_EQ(c.hidden, 32);
  EXPECT_EQ(c.checkpoint_dtype, "q4_k");
}

TEST(Gguf, RefusesByNameWhatItCannotRun) {
  using B = GgufBuilder;
  EXPECT_THAT(error_after([](B& b) { b.set("general.architecture", B::str("qwen2")); }),
              names("\"qwen2\""));
  EXPECT_THAT(error_after([](B& b) { b.tensor("blk.0.attn_q.weight").type = 12; }),
              names("tensor blk.0.attn_q.weight is Q4_K"));
  EXPECT_THAT(error_after([](B& b) { b.tensor("blk.0.attn_q.weight").type = 99; }),
              names("type 99"));
  EXPECT_THAT(error_after([](B& b) { b.set("llama.rope.scaling.type", B::str("yarn")); }),
              names("\"yarn\""));
  EXPECT_THAT(error_after([](B& b) { b.set("llama.rope.scaling.factor", B::f32(2)); }),
              names("\"linear\""));
  EXPECT_THAT(error_after([](B& b) { b.set("llama.rope.dimension_count", B::u32(8)); }),
              names("turns 8 of a head's 16"));
  EXPECT_THAT(error_after([](B& b) { b.set("llama.expert_count", B::u32(8)); }),
              names("mixture of experts"));
  EXPECT_THAT(error_after([](B& b) { b.set("split.count", B::u32(3)); }), names("3 files"));
  EXPECT_THAT(error_after([](B& b) { b.set("llama.attention.value_length", B::u32(8)); }),
              names("different sizes"));
  EXPECT_THAT(error_after([](B& b) { b.add("blk.0.attn_q.bias", {32}); }),
              names("blk.0.attn_q.bias"));
  EXPECT_THAT(error_after([](B& b) { b.version = 1; }), names("version 1"));
  EXPECT_THAT(error_after([](B& b) { b.version = 0x03000000; }), names("big-endian"));
}

TEST(Gguf, RefusesImpossibleConfigs) {
  using B = GgufBuilder;
  const auto with = [](const std::string& key, const std::string& value) {
    return error_after([&](B& b) { b.set(key, value); });
  };
  EXPECT_THAT(with("llama.attention.head_count", B::u32(0)), names("head_count"));
  EXPECT_THAT(with("llama.attention.head_count", B::u32(3)), names("divide"));
  EXPECT_THAT(with("llama.attention.head_count", B::u32(4000000000u)), names("divide"));
  EXPECT_THAT(with("llama.attention.head_count", B::str("2")), names("not an integer"));
  EXPECT_THAT(with("llama.attention.head_count_kv", B::u32(0)), names("key/value heads"));
  EXPECT_THAT(with("llama.attention.head_count_kv", B::i32(-1)), names("key/value heads"));
  EXPECT_THAT(with("llama.block_count", B::u32(0)), names("layers"));
  EXPECT_THAT(with("llama.block_count", B::u32(0xffffffffu)), names("layers"));
  EXPECT_THAT(with("llama.block_count", B::u32(2)), names("blk.1.attn_norm.weight is missing"));
  EXPECT_THAT(with("llama.embedding_length", B::u32(0)), names("hidden size"));
  EXPECT_THAT(with("llama.attention.key_length", B::u32(15)), names("odd"));
  EXPECT_THAT(with("llama.attention.key_length", B::u32(32)), names("attn_q.weight has the shape"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(with("llama.attention.layer_norm_rms_epsilon", B::f32(nan)), names("epsilon"));
  EXPECT_THAT(with("llama.attention.layer_norm_rms_epsilon", B::f32(-1)), names("epsilon"));
  EXPECT_THAT(with("llama.rope.freq_base", B::f32(nan)), names("RoPE base"));
  EXPECT_THAT(with("tokenizer.ggml.eos_token_id", B::u32(8)), names("EOS token is 8"));
  for (const char* key :
       {"general.architecture", "llama.block_count", "llama.context_length",
        "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
        "llama.vocab_size", "llama.attention.layer_norm_rms_epsilon"}) {
    EXPECT_THAT(error_after([&](B& b) { b.erase(key); }), names(key));
  }
}

TEST(Gguf, RefusesLyingTensors) {
  using B = GgufBuilder;
  for (const BuiltTensor& tensor : B().tensors) {
    EXPECT_THAT(error_after([&](B& b) { b.remove(tensor.name); }), names(tensor.name));
  }
  const std::string q = "blk.0.attn_q.weight";
  const auto with = [&](const std::function<void(BuiltTensor&)>& change) {
    return error_after([&](B& b) { change(b.tensor(q)); });
  };
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {32, 16}; }), names("has the shape [32, 16]"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {32, 32, 1, 2}; }), names(q));
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {0, 32}; }), names("impossible shape"));
  EXPECT_THAT(with([](BuiltTensor& t) {
                t.shape = {1ull << 33, 1ull << 33};
              }),
              names("impossible shape"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {1ull << 40}; }), names("end of the file"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {}; }), names("0 dimensions"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.shape = {1, 1, 1, 1, 1}; }), names("5 dimensions"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.offset = 0; }), names("overlap"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.offset = 33; }), names("aligned to 32"));
  EXPECT_THAT(with([](BuiltTensor& t) { t.offset = 1 << 20; }), names(q));
  EXPECT_THAT(
      with([](BuiltTensor& t) { t.offset = std::numeric_limits<std::int64_t>::max() - 31; }),
      names(q));
  EXPECT_THAT(with([](BuiltTensor& t) { t.name = "blk.0.attn_k.weight"; }), names("stands twice"));
  EXPECT_THAT(with([](BuiltTensor& t) {
                t.type = 8;  // Q8_0: blocks of 32
                t.shape = {31, 32};
              }),
              names("whole number of Q8_0 blocks"));
}

TEST(Gguf, RefusesLyingHeaders) {
  using B = GgufBuilder;
  EXPECT_THAT(error_after([](B& b) { b.tensor_count = std::numeric_limits<std::int64_t>::max(); }),
              names("claims"));
  EXPECT_THAT(error_after([](B& b) { b.value_count = 65536; }), names("m.gguf"));
  EXPECT_THAT(error_after([](B& b) { b.tensor_count = 65536; }), names("m.gguf"));
  EXPECT_THAT(error_after([](B& b) { b.values.push_back(b.values[0]); }), names("stands twice"));
  EXPECT_THAT(error_after([](B& b) { b.set("x", Bytes().put<std::uint32_t>(13).data()); }),
              names("unknown value type 13"));
  const auto array = [](std::uint32_t type, std::uint64_t count) {
    return Bytes().put<std::uint32_t>(9).put(type).put(count).data();
  };
  EXPECT_THAT(error_after([&](B& b) { b.set("x", array(9, 1)); }), names("array of arrays"));
  EXPECT_THAT(error_after([&](B& b) { b.set("x", array(8, ~0ull)); }), names("past the end"));
  EXPECT_THAT(error_after([&](B& b) { b.set("x", array(4, ~0ull)); }), names("claims"));
  EXPECT_THAT(error_after([&](B& b) { b.set("x", array(12, 1ull << 61)); }), names("claims"));
  for (const std::uint32_t alignment : {0u, 3u, 4u, 33u, 0x80000000u}) {
    EXPECT_THAT(error_after([&](B& b) { b.set("general.alignment", B::u32(alignment)); }),
                names("general.alignment"));
  }
  EXPECT_THAT(error_of(""), names("not a GGUF file"));
  EXPECT_THAT(error_of("GGU"), names("not a GGUF file"));
  EXPECT_THAT(error_of("ggml1234"), names("not a GGUF file"));
}

// A hostile name must not reach the terminal as it is, nor fill it.
TEST(Gguf, MessagesArePrintable) {
  const std::string error =
      error_after([](GgufBuilder& b) { b.add("\x1b[31m" + std::string(500, '\n'), {4}); });
  EXPECT_THAT(error, HasSubstr("?[31m"));
  EXPECT_LT(error.size(), 300u);
  for (const char c : error) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string good = GgufBuilder().bytes();
  ASSERT_EQ(error_of(good), "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_NE(error_of(good.substr(0, size)), "accepted") << size;
  }
}

TEST(Gguf, SurvivesRandomDamage) {
  GgufBuilder builder;
  builder.set("tokenizer.ggml.tokens",
              GgufBuilder::strings({"a", "b", "c", "d", "e", "f", "g", "h"}));
  std::size_t header = 0;
  const std::string good = builder.bytes(&header);
  std::mt19937_64 random(1);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    for (std::uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
      bad[random() % header] = static_cast<char>(random());
    }
    try {
      const auto model = gguf_model(as_bytes(bad), {}, "m.gguf");
      ++accepted;
      for (const TensorId id : tensors_of(model->config())) {
        const TensorShape shape = shape_of(id.kind, model->config());
        std::vector<float> all(static_cast<std::size_t>(shape.rows * shape.cols));
        model->read_rows(id, 0, shape.rows, all);
      }
    } catch (const InputError&) {
    }
  }
  EXPECT_GT(accepted, 0);  // some damage is harmless; the rest was refused
}

}  // namespace
}  // namespace rooftop::inference
