// The whole CUDA backend through the loop, against the CPU backend on the same weights and tokens.
// It is built twice: for the host executor, where plain loops stand in for cuBLASLt, and for a GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "inference/cpu/cpu_backend.h"
#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tests/inference/cuda/engine_under_test.h"
#include "tests/inference/louder_weights.h"

namespace rooftop::inference::cuda {
namespace {

using testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;
using Rows = std::vector<std::vector<float>>;

Config small_config(std::int64_t heads = 4, std::int64_t kv_heads = 2, std::int64_t head_dim = 16) {
  Config c;
  c.name = "small";
  c.hidden = 40;
  c.layers = 2;
  c.heads = heads;
  c.kv_heads = kv_heads;
  c.head_dim = head_dim;
  c.ffn = 56;
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
  o.max_rows = 40;
  o.max_logit_rows = 40;
  o.threads = 1;
  return o;
}

// The CPU's loop and the GPU's, fed alike.
class Pair {
 public:
  Pair(const Config& config, const BackendOptions& options)
      : weights_(config),
        cpu_(make_cpu_backend(weights_, options)),
        cuda_(cuda_backend(weights_, options)),
        cpu_loop_(*cpu_, config, options),
        cuda_loop_(*cuda_, config, options),
        vocab_(static_cast<std::size_t>(config.vocab)),
        tolerance_(options.dtype == DType::kF16 ? 1e-2 : 6e-2) {}

  // A step of `rows[i]` random tokens in slot i (0: none), logits of every row.
  void step(nvtx::Phase phase, const std::vector<std::int32_t>& rows) {
    std::vector<Tokens> tokens;
    std::vector<NewTokens> parts;
    for (const std::int32_t count : rows) {
      Tokens& mine = tokens.emplace_back(static_cast<std::size_t>(count));
      for (auto& token : mine) token = static_cast<std::int32_t>(engine_() % vocab_);
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] > 0) parts.push_back({static_cast<std::int32_t>(i), tokens[i], rows[i]});
    }
    const std::vector<float> expected = run(cpu_loop_, phase, parts);
    expect_close(run(cuda_loop_, phase, parts), expected);
    // The device's own choice is the largest of its logits.
    const auto picked = cuda_->picked();
    const auto logits = cuda_->logits();
    for (std::size_t row = 0; row < picked.size(); ++row) {
      const auto mine = logits.subspan(row * vocab_, vocab_);
      EXPECT_EQ(picked[row], std::max_element(mine.begin(), mine.end()) - mine.begin());
    }
  }

  void rewind(std::int32_t slot, std::int64_t length) {
    cpu_loop_.rewind(slot, length);
    cuda_loop_.rewind(slot, length);
  }

 private:
  static std::vector<float> run(Loop& loop, nvtx::Phase phase,
                                const std::vector<NewTokens>& parts) {
    std::vector<float> out;
    loop.forward(phase, parts, false,
                 [&](std::span<const float> logits) { out.assign(logits.begin(), logits.end()); });
    return out;
  }

  void expect_close(const std::vector<float>& got, const std::vector<float>& expected) const {
    ASSERT_EQ(got.size(), expected.size());
    float size = 0;
    for (const float logit : expected) size = std::max(size, std::fabs(logit));
    for (std::size_t i = 0; i < got.size(); ++i) {
      // Not EXPECT_NEAR: a NaN must fail.
      ASSERT_TRUE(std::fabs(got[i] - expected[i]) <= tolerance_ * size)
          << "row " << i / vocab_ << ", logit " << i % vocab_ << ": " << got[i] << ", not "
          << expected[i] << " (largest " << size << ")";
    }
  }

  LouderWeights weights_;
  std::unique_ptr<Backend> cpu_;
  std::unique_ptr<Backend> cuda_;
  Loop cpu_loop_;
  Loop cuda_loop_;
  std::size_t vocab_;
  double tolerance_;
  std::mt19937_64 engine_{11};
};

class CudaBackend : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_engine(); !why.empty()) GTEST_SKIP() << why;
  }
};

class CudaBackendTest : public CudaBackend,
                        public testing::WithParamInterface<std::tuple<DType, Attention>> {
 protected:
  BackendOptions options = small_options(std::get<0>(GetParam()), std::get<1>(GetParam()));
};

TEST_P(CudaBackendTest, PrefillThenDecodeAsTheCpu) {
  Pair pair(small_config(), options);
  pair.step(nvtx::kInit, {17});                           // more rows than our vector kernels take
  for (int i = 0; i < 4; ++i) pair.step(nvtx::kAr, {1});  // computed, recorded, replayed twice
}

TEST_P(CudaBackendTest, RaggedBatchesAsTheCpu) {
  Pair pair(small_config(), options);
  pair.step(nvtx::kInit, {5, 0, 13});
  pair.step(nvtx::kInit, {0, 3, 0});
  for (int i = 0; i < 3; ++i) pair.step(nvtx::kAr, {1, 1, 1});
  pair.step(nvtx::kMixed, {1, 9, 1});
  for (int i = 0; i < 3; ++i) pair.step(nvtx::kAr, {1, 0, 1});
}

TEST_P(CudaBackendTest, CandidateRowsAsTheCpu) {
  Pair pair(small_config(), options);
  pair.step(nvtx::kInit, {6, 4, 9});
  for (int i = 0; i < 3; ++i) {
    pair.step(nvtx::kAr, {3, 3, 3});  // above the vector kernels' rows
    pair.rewind(0, 7 + i);            // one was accepted
    pair.rewind(1, 6 + i);
  }
  for (int i = 0; i < 3; ++i) pair.step(nvtx::kAr, {2, 1, 2});  // ragged, within them
}

TEST_P(CudaBackendTest, WithoutGraphsAsTheCpu) {
  options.graphs = false;
  Pair pair(small_config(), options);
  pair.step(nvtx::kInit, {7, 2});
  for (int i = 0; i < 3; ++i) pair.step(nvtx::kAr, {1, 1});
}

TEST_P(CudaBackendTest, HeadSizesAndGroupsAsTheCpu) {
  struct Heads {
    std::int64_t heads, kv_heads, head_dim;
  };
  for (const Heads h :
       {Heads{2, 2, 8}, Heads{3, 1, 48}, Heads{4, 1, 64}, Heads{2, 1, 128}, Heads{8, 1, 16}}) {
    SCOPED_TRACE(testing::Message() << h.heads << "/" << h.kv_heads << " heads of " << h.head_dim);
    Pair pair(small_config(h.heads, h.kv_heads, h.head_dim), options);
    pair.step(nvtx::kInit, {11, 3});
    pair.step(nvtx::kAr, {1, 1});
    pair.step(nvtx::kAr, {1, 1});
  }
}

TEST_P(CudaBackendTest, GrowsAcrossPlannedLengths) {
  options.max_length = 400;
  options.max_rows = options.max_logit_rows = 200;
  Config config = small_config();
  config.layers = 1;
  Pair pair(config, options);
  pair.step(nvtx::kInit, {126});
  for (int i = 0; i < 5; ++i) pair.step(nvtx::kAr, {1});  // past 128: another plan
}

INSTANTIATE_TEST_SUITE_P(All, CudaBackendTest,
                         testing::Combine(testing::Values(DType::kBF16, DType::kF16),
                                          testing::Values(Attention::kUnfused, Attention::kFlash)),
                         [](const auto& test) {
                           return std::string(name_of(std::get<0>(test.param))) + "_" +
                                  std::string(name_of(std::get<1>(test.param)));
                         });

TEST_F(CudaBackend, RowsThatAreNoWhole16Bytes) {  // go through the matrix library
  Config config = small_config();
  config.hidden = 36;
  config.ffn = 50;
  Pair pair(config, small_options(DType::kBF16, Attention::kFlash));
  pair.step(nvtx::kInit, {5});
  for (int i = 0; i < 3; ++i) pair.step(nvtx::kAr, {1});
}

TEST_F(CudaBackend, CellsOfASweep) {
  const Config config = small_config();
  const LouderWeights weights(config);
  const BackendOptions options = small_options(DType::kBF16, Attention::kFlash);
  const auto backend = cuda_backend(weights, options);
  Loop loop(*backend, config, options);
  loop.prefill_cell(2, 12);
  for (int i = 0; i < 3; ++i) loop.decode_cell(3, 40);
  loop.decode_cell(2, 40, 4);
  for (const float logit : backend->logits()) ASSERT_TRUE(std::isfinite(logit));
}

TEST_F(CudaBackend, NewCapacitiesForgetGraphs) {
  const Config config = small_config();
  const LouderWeights weights(config);
  BackendOptions options = small_options(DType::kBF16, Attention::kFlash);
  const auto backend = cuda_backend(weights, options);
  for (const std::int64_t length : {64, 200, 50}) {
    options.max_length = length;
    backend->reserve(options);
    Loop loop(*backend, config, options);
    for (int i = 0; i < 3; ++i) loop.decode_cell(2, 48);
    for (const float logit : backend->logits()) ASSERT_TRUE(std::isfinite(logit));
  }
}

std::string refusal(const Config& config, const BackendOptions& options) {
  try {
    const LouderWeights weights(config);
    cuda_backend(weights, options);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST_F(CudaBackend, RefusesWhatItCannotRun) {
  const BackendOptions options = small_options(DType::kBF16, Attention::kFlash);
  EXPECT_THAT(refusal(small_config(), small_options(DType::kF32, Attention::kFlash)),
              HasSubstr("use --dtype bf16"));
  EXPECT_THAT(refusal(small_config(2, 2, 264), options), HasSubstr("multiples of 8 up to 256"));
  EXPECT_THAT(refusal(small_config(2, 2, 20), options), HasSubstr("multiples of 8 up to 256"));
}

}  // namespace
}  // namespace rooftop::inference::cuda
