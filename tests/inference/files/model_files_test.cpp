// Real files: the fixtures that Transformers made, and the checkpoint, against the gguf package's
// own dequantisation (tests/fixtures/make_tokenizer_fixtures.py).
#include "inference/files/model_files.h"

#include <gtest/gtest.h>

#include <cmath>

#include "inference/files/tensors.h"
#include "tests/inference/fixtures.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

// CRC-32 as zlib has it.
std::uint32_t crc32(const std::vector<float>& values) {
  std::uint32_t crc = ~0u;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(float); ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

TensorId id_of(const std::string& gguf_name) {
  static const std::pair<const char*, TensorKind> kParts[] = {
      {"token_embd", TensorKind::kEmbedding},
      {"output_norm", TensorKind::kFinalNorm},
      {"attn_norm", TensorKind::kAttentionNorm},
      {"attn_q", TensorKind::kQ},
      {"attn_k", TensorKind::kK},
      {"attn_v", TensorKind::kV},
      {"attn_output", TensorKind::kO},
      {"ffn_norm", TensorKind::kMlpNorm},
      {"ffn_gate", TensorKind::kGate},
      {"ffn_up", TensorKind::kUp},
      {"ffn_down", TensorKind::kDown},
      {"output", TensorKind::kLmHead}};  // last: it is a part of other names
  const std::int32_t layer = gguf_name.starts_with("blk.") ? std::stoi(gguf_name.substr(4)) : 0;
  for (const auto& [part, kind] : kParts) {
    if (gguf_name.find(part) != std::string::npos) return {kind, layer};
  }
  throw std::runtime_error("no tensor " + gguf_name);
}

std::vector<float> row_of(const WeightSource& model, TensorId id, std::int64_t row) {
  std::vector<float> out(static_cast<std::size_t>(shape_of(id.kind, model.config()).cols));
  model.read_rows(id, row, 1, out);
  return out;
}

void expect_rows(const WeightSource& model, const std::string& which) {
  const Json rows = read_json(fixture("tokenizer/checkpoint_rows.json"))[which];
  ASSERT_GT(rows.size(), 20u);
  for (const Json& row : rows) {
    const auto values = row_of(model, id_of(row["tensor"]), row["row"].get<std::int64_t>());
    EXPECT_EQ(values[0], row["first"][0].get<float>()) << row;
    EXPECT_EQ(crc32(values), row["crc32"].get<std::uint32_t>()) << row;
  }
}

TEST(ModelFiles, TinyGgufRowsEqualTheGgufPackages) {
  const auto model = open_model(fixture("models/gqa-gguf/model.gguf").string());
  expect_rows(*model, "gqa");
  EXPECT_EQ(model->config().name, "model");
  EXPECT_FALSE(model->random());
}

TEST(ModelFiles, CheckpointRowsEqualTheGgufPackages) {
  if (!std::filesystem::exists(checkpoint())) {
    GTEST_SKIP() << checkpoint() << " is absent: tools/fetch.sh brings it";
  }
  const auto model = open_model(checkpoint().string());
  expect_rows(*model, "smollm2");
  const Config& c = model->config();
  EXPECT_EQ(c.name, "SmolLM2-135M-Instruct.Q4_1");
  EXPECT_EQ(c.hidden, 576);
  EXPECT_EQ(c.layers, 30);
  EXPECT_EQ(c.heads, 9);
  EXPECT_EQ(c.kv_heads, 3);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.ffn, 1536);
  EXPECT_EQ(c.vocab, 49152);
  EXPECT_EQ(c.max_positions, 8192);
  EXPECT_EQ(c.rope.theta, 100000.0);
  EXPECT_NEAR(c.norm_eps, 1e-5, 1e-12);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_EQ(c.checkpoint_dtype, "q4_1");
  EXPECT_EQ(c.bos_token, 1);
  EXPECT_EQ(c.eos_tokens, (std::vector<std::int32_t>{2}));
}

// The GGUF holds the folder's weights, Q and K permuted: they agree as closely as each type can.
TEST(ModelFiles, GgufAndFolderOfTheSameModelAgree) {
  const auto gguf = open_model(fixture("models/gqa-gguf/model.gguf").string());
  const auto folder = open_model(fixture("models/gqa").string());
  const Config& c = folder->config();
  EXPECT_EQ(gguf->config().head_dim, c.head_dim);
  EXPECT_EQ(gguf->config().vocab, c.vocab);
  EXPECT_EQ(gguf->config().eos_tokens, c.eos_tokens);
  EXPECT_EQ(c.checkpoint_dtype, "f16");
  for (const TensorId id : tensors_of(c)) {
    const TensorShape shape = shape_of(id.kind, c);
    double error = 0;
    double scale = 0;
    for (std::int64_t r = 0; r < shape.rows; ++r) {
      const auto a = row_of(*gguf, id, r);
      const auto b = row_of(*folder, id, r);
      for (std::size_t i = 0; i < a.size(); ++i) {
        error += std::pow(a[i] - b[i], 2);
        scale += std::pow(b[i], 2);
      }
    }
    // Q4_1 is the coarsest: about 1/15 of a block's range, uniformly, over Gaussian weights.
    EXPECT_LT(std::sqrt(error / scale), 0.1)
        << static_cast<int>(id.kind) << " of layer " << id.layer;
  }
}

TEST(ModelFiles, ReadsEveryFixture) {
  struct Expected {
    const char* name;
    std::int64_t heads, kv_heads, head_dim, layers;
    bool tied;
    double theta;
    const char* dtype;
  };
  const Expected all[] = {{"mha", 3, 3, 8, 2, false, 10000, "f32"},
                          {"gqa", 4, 2, 8, 2, false, 10000, "f16"},
                          {"tied", 3, 3, 8, 1, true, 700, "f16"},
                          {"llama3-rope", 3, 1, 8, 2, false, 500, "f16"},
                          {"head-dim", 2, 1, 16, 2, false, 10000, "f16"},
                          {"sharded", 3, 3, 8, 1, false, 10000, "f16"},
                          {"bf16", 2, 1, 8, 2, false, 10000, "bf16"}};
  for (const Expected& e : all) {
    const auto model = open_model(fixture(std::string("models/") + e.name).string());
    const Config& c = model->config();
    EXPECT_EQ(c.name, e.name);
    EXPECT_EQ(c.heads, e.heads) << e.name;
    EXPECT_EQ(c.kv_heads, e.kv_heads) << e.name;
    EXPECT_EQ(c.head_dim, e.head_dim) << e.name;
    EXPECT_EQ(c.layers, e.layers) << e.name;
    EXPECT_EQ(c.tied_embeddings, e.tied) << e.name;
    EXPECT_EQ(c.rope.theta, e.theta) << e.name;
    EXPECT_EQ(c.checkpoint_dtype, e.dtype) << e.name;
    EXPECT_EQ(c.rope.scaling == RopeScaling::kLlama3, std::string(e.name) == "llama3-rope");
  }
}

TEST(ModelFiles, TiedHeadIsTheEmbedding) {
  const auto model = open_model(fixture("models/tied").string());
  for (const std::int64_t row : {0, 1, 47}) {
    EXPECT_EQ(row_of(*model, {TensorKind::kLmHead, 0}, row),
              row_of(*model, {TensorKind::kEmbedding, 0}, row));
  }
}

// read_rows in any chunks, and from "layers" that mean nothing, gives the same values.
TEST(ModelFiles, ReadsTheSameInAnyChunks) {
  for (const char* name : {"models/mha", "models/gqa-gguf/model.gguf"}) {
    const auto model = open_model(fixture(name).string());
    const TensorShape shape = shape_of(TensorKind::kQ, model->config());
    std::vector<float> whole(static_cast<std::size_t>(shape.rows * shape.cols));
    model->read_rows({TensorKind::kQ, 1}, 0, shape.rows, whole);
    for (std::int64_t r = 0; r < shape.rows; ++r) {
      const auto row = row_of(*model, {TensorKind::kQ, 1}, r);
      EXPECT_TRUE(std::equal(row.begin(), row.end(), whole.begin() + r * shape.cols)) << r;
    }
    EXPECT_EQ(row_of(*model, {TensorKind::kFinalNorm, 77}, 0),
              row_of(*model, {TensorKind::kFinalNorm, 0}, 0));
  }
}

}  // namespace
}  // namespace rooftop::inference
