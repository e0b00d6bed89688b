// The whole CPU backend through the loop, on random models, against a plain forward pass in double.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "inference/cpu/cpu_backend.h"
#include "inference/files/model_files.h"
#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tests/inference/cpu/reference.h"
#include "tests/inference/louder_weights.h"

namespace rooftop::inference::cpu {
namespace {

using Tokens = std::vector<std::int32_t>;

Config small_config(std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  Config c;
  c.name = "small";
  c.hidden = 36;
  c.layers = 2;
  c.heads = heads;
  c.kv_heads = kv_heads;
  c.head_dim = head_dim;
  c.ffn = 50;
  c.vocab = 61;
  c.max_positions = 512;
  return c;
}

BackendOptions small_options(DType dtype, Attention attention) {
  BackendOptions o;
  o.dtype = dtype;
  o.attention = attention;
  o.max_batch = 3;
  o.max_length = 64;
  o.max_rows = 96;
  o.max_logit_rows = 96;
  o.threads = 1;
  return o;
}

Tokens random_tokens(std::mt19937_64& engine, std::size_t count, std::int64_t vocab) {
  Tokens out(count);
  for (auto& token : out) token = static_cast<std::int32_t>(engine() % vocab);
  return out;
}

// One step; its logits by row.
std::vector<std::vector<float>> step(Loop& loop, const Config& config,
                                     const std::vector<NewTokens>& sequences) {
  std::vector<std::vector<float>> out;
  loop.forward(nvtx::kMixed, sequences, false, [&](std::span<const float> logits) {
    const auto vocab = static_cast<std::size_t>(config.vocab);
    for (; !logits.empty(); logits = logits.subspan(vocab)) {
      out.emplace_back(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(vocab));
    }
  });
  return out;
}

// Largest difference, relative to the largest logit of the row.
double difference(const std::vector<float>& got, const std::vector<double>& expected) {
  double most = 0;
  double size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    size = std::max(size, std::fabs(expected[i]));
    const double error = std::fabs(got[i] - expected[i]);
    if (!(error <= most)) most = error;
  }
  return most / size;
}

double tolerance(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 2e-5;
    case DType::kBF16:
      return 9e-2;
    case DType::kF16:
      return 8e-3;
  }
  return 0;
}

class BackendTest : public testing::TestWithParam<std::tuple<DType, Attention>> {
 protected:
  DType dtype = std::get<0>(GetParam());
  BackendOptions options = small_options(dtype, std::get<1>(GetParam()));
  std::mt19937_64 engine{17};
};

TEST_P(BackendTest, RaggedPrefillDecodeAndRewindMatchAPlainForwardPass) {
  struct {
    std::int64_t heads, kv_heads, head_dim;
  } const shapes[] = {{4, 4, 8}, {6, 2, 48}, {3, 1, 64}, {8, 1, 16}, {4, 2, 128}, {4, 1, 10}};
  for (const auto& shape : shapes) {
    const LouderWeights source(small_config(shape.heads, shape.kv_heads, shape.head_dim));
    const Config& config = source.config();
    const auto backend = make_cpu_backend(source, options);
    Loop loop(*backend, config, options);
    // Three sequences; in four steps each grows by its own number of tokens, or is left out.
    const std::vector<Tokens> texts = {random_tokens(engine, 40, config.vocab),
                                       random_tokens(engine, 40, config.vocab),
                                       random_tokens(engine, 40, config.vocab)};
    std::vector<std::vector<std::vector<double>>> expected;
    for (const auto& text : texts) expected.push_back(naive_logits(source, text, dtype));
    const std::vector<std::vector<std::int32_t>> plan = {
        {21, 3, 1}, {1, 1, 1}, {4, 0, 2}, {1, 17, 4}};
    for (const auto& counts : plan) {
      std::vector<NewTokens> parts;
      for (const std::int32_t slot : {2, 0, 1}) {  // the order of slots is free
        const std::int32_t count = counts[static_cast<std::size_t>(slot)];
        if (count == 0) continue;
        const auto begin = static_cast<std::size_t>(loop.length(slot));
        parts.push_back({slot,
                         std::span(texts[static_cast<std::size_t>(slot)])
                             .subspan(begin, static_cast<std::size_t>(count)),
                         std::min(count, 2)});
      }
      const auto logits = step(loop, config, parts);
      std::size_t row = 0;
      for (const auto& part : parts) {
        for (std::int32_t i = part.logit_rows; i > 0; --i) {
          const auto position = static_cast<std::size_t>(loop.length(part.slot) - i);
          ASSERT_LE(
              difference(logits.at(row++), expected[static_cast<std::size_t>(part.slot)][position]),
              tolerance(dtype))
              << "heads " << shape.heads << "/" << shape.kv_heads << " d " << shape.head_dim;
        }
      }
      ASSERT_EQ(row, logits.size());
    }
    // What lay behind a rewind is overwritten.
    loop.rewind(0, 10);
    const Tokens other = random_tokens(engine, 5, config.vocab);
    Tokens text(texts[0].begin(), texts[0].begin() + 10);
    text.insert(text.end(), other.begin(), other.end());
    const auto again = step(loop, config, {{0, other, 5}});
    const auto plain = naive_logits(source, text, dtype);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_LE(difference(again[i], plain[10 + i]), tolerance(dtype));
    }
  }
}

TEST_P(BackendTest, ThreadsDoNotChangeDecoding) {
  const LouderWeights source(small_config(6, 2, 8));
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    options.threads = threads;
    const auto backend = make_cpu_backend(source, options);
    Loop loop(*backend, source.config(), options);
    const Tokens prompt = {1, 2, 3, 4, 5, 6, 7, 8};
    step(loop, source.config(), {{1, prompt, 1}});
    const Tokens next = {9};
    results.push_back(step(loop, source.config(), {{1, next, 1}})[0]);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(BackendTest, ASliceOfLayersIsAShorterModel) {
  Config config = small_config(4, 2, 8);
  config.layers = 3;
  config.tied_embeddings = true;
  const LouderWeights source(config);
  options.layers = 2;
  const auto backend = make_cpu_backend(source, options);
  Loop loop(*backend, config, options);
  const Tokens prompt = {5, 4, 3};
  const auto logits = step(loop, config, {{0, prompt, 1}});
  const auto expected = naive_logits(source, prompt, dtype, 2);
  EXPECT_LE(difference(logits[0], expected[2]), tolerance(dtype));
  EXPECT_GT(difference(logits[0], naive_logits(source, prompt, dtype)[2]), 0.1);
}

TEST_P(BackendTest, CellsRunAtTheirShapeWithoutAPrefill) {
  const LouderWeights source(small_config(4, 2, 8));
  const auto backend = make_cpu_backend(source, options);
  Loop loop(*backend, source.config(), options);
  for (int repeat = 0; repeat < 2; ++repeat) {
    loop.decode_cell(3, 40, 4);
    for (const int slot : {0, 1, 2}) EXPECT_EQ(loop.length(slot), 40);
    for (const float value : backend->logits()) ASSERT_TRUE(std::isfinite(value));
    EXPECT_EQ(backend->logits().size(), 3U * 4U * 61U);
    loop.prefill_cell(2, 30);
    EXPECT_EQ(loop.length(1), 30);
    loop.decode_cell(2, 64);
    EXPECT_EQ(loop.length(0), 64);
  }
}

TEST_P(BackendTest, TraitsSayWhatTheKernelsDo) {
  const LouderWeights source(small_config(4, 2, 8));
  const auto traits = make_cpu_backend(source, options)->traits();
  EXPECT_EQ(traits.causal_skip, options.attention == Attention::kFlash);
  EXPECT_EQ(traits.weight_bytes, dtype == DType::kF32 ? 4 : 2);
  EXPECT_EQ(traits.kv_bytes, traits.weight_bytes);
  EXPECT_EQ(traits.activation_bytes, traits.weight_bytes);
}

std::string backend_name(const testing::TestParamInfo<std::tuple<DType, Attention>>& info) {
  return std::string(name_of(std::get<0>(info.param))) + "_" +
         std::string(name_of(std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(All, BackendTest,
                         testing::Combine(testing::Values(DType::kF32, DType::kBF16, DType::kF16),
                                          testing::Values(Attention::kFlash, Attention::kUnfused)),
                         backend_name);

TEST(CpuBackend, ProgressGoesFromLittleToAll) {
  const LouderWeights source(small_config(4, 2, 8));
  std::vector<double> seen;
  make_cpu_backend(source, small_options(DType::kF32, Attention::kFlash),
                   [&](double fraction) { seen.push_back(fraction); });
  ASSERT_GT(seen.size(), 5U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_GT(seen.front(), 0);
  EXPECT_DOUBLE_EQ(seen.back(), 1);
}

TEST(CpuBackend, RefusesWhatDoesNotFitWithTheNumbers) {
  const LouderWeights source(small_config(4, 2, 8));
  BackendOptions options = small_options(DType::kF32, Attention::kFlash);
  options.max_batch = 1 << 20;
  options.max_length = 1 << 30;
  try {
    make_cpu_backend(source, options);
    FAIL() << "was granted";
  } catch (const InputError& error) {
    // 2 layers * 2 * 2^20 slots * 2 heads * 8 * 2^30 * 4 bytes
    EXPECT_THAT(error.what(), testing::HasSubstr("KV cache 288230376.15"));
    EXPECT_THAT(error.what(), testing::HasSubstr("are available"));
  }
}

TEST(CpuBackend, CapacityCanBeChangedAndARefusalUndone) {
  const LouderWeights source(small_config(4, 2, 8));
  BackendOptions options = small_options(DType::kF32, Attention::kFlash);
  const auto backend = make_cpu_backend(source, options);
  const Tokens prompt = {3, 1, 4, 1, 5, 9, 2, 6};
  const auto expected = naive_logits(source, prompt, DType::kF32);
  options.max_batch = 5;
  options.max_length = 20;
  options.max_rows = 8;
  options.max_logit_rows = 2;
  for (int i = 0; i < 2; ++i) {
    backend->reserve(options);
    Loop loop(*backend, source.config(), options);
    const auto logits = step(loop, source.config(), {{4, prompt, 1}});
    EXPECT_LE(difference(logits[0], expected[7]), tolerance(DType::kF32));
    BackendOptions huge = options;
    huge.max_batch = 1 << 30;
    huge.max_length = 1 << 30;
    EXPECT_THROW(backend->reserve(huge), InputError);
  }
}

TEST(CpuBackend, RefusesImpossibleOptions) {
  const LouderWeights source(small_config(4, 2, 8));
  const auto refused = [&](auto change) {
    BackendOptions options = small_options(DType::kF32, Attention::kFlash);
    change(options);
    EXPECT_THROW(make_cpu_backend(source, options), InputError);
  };
  refused([](auto& o) { o.layers = 3; });
  refused([](auto& o) { o.layers = -1; });
  refused([](auto& o) { o.max_batch = 0; });
  refused([](auto& o) { o.max_length = 0; });
  refused([](auto& o) { o.max_rows = 0; });
  refused([](auto& o) { o.max_logit_rows = 0; });
  refused([](auto& o) { o.threads = -1; });
}

TEST(MemoryNeed, IsTheSumOfTheTensors) {
  Config c = small_config(4, 2, 8);
  BackendOptions options = small_options(DType::kBF16, Attention::kFlash);
  std::int64_t weights = 0;
  for (const TensorKind kind :
       {TensorKind::kEmbedding, TensorKind::kLmHead, TensorKind::kFinalNorm}) {
    weights += shape_of(kind, c).rows * shape_of(kind, c).cols;
  }
  for (const TensorKind kind :
       {TensorKind::kAttentionNorm, TensorKind::kQ, TensorKind::kK, TensorKind::kV, TensorKind::kO,
        TensorKind::kMlpNorm, TensorKind::kGate, TensorKind::kUp, TensorKind::kDown}) {
    weights += 2 * shape_of(kind, c).rows * shape_of(kind, c).cols;
  }
  const MemoryNeed need = memory_need(c, options);
  EXPECT_EQ(need.weights, static_cast<std::uint64_t>(2 * weights));
  EXPECT_EQ(need.kv_cache, 2U * (2 * 3 * 2 * 64 * 8) * 2);  // layers, slots, heads, positions, d
  // x, y, q|k|v, attention's result, gate|up; and fp32 logits.
  EXPECT_EQ(need.activations, 2U * 96 * (36 + 36 + 64 + 32 + 100) + 4U * 96 * 61);
  options.attention = Attention::kUnfused;
  EXPECT_EQ(memory_need(c, options).activations, need.activations + 2U * 96 * 4 * 64);
  c.tied_embeddings = true;
  options.layers = 1;
  EXPECT_LT(memory_need(c, options).weights, need.weights / 2 + 2U * 61 * 36);
}

}  // namespace
}  // namespace rooftop::inference::cpu
