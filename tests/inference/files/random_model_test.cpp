#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "inference/files/model_files.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

Config shape() {
  Config c;
  c.name = "test";
  c.hidden = 520;  // no multiple of the generator's block
  c.layers = 8;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 130;
  c.ffn = 1000;
  c.vocab = 3000;
  c.max_positions = 64;
  return c;
}

std::vector<float> rows(const WeightSource& model, TensorId id, std::int64_t first,
                        std::int64_t count) {
  std::vector<float> out(static_cast<std::size_t>(count * shape_of(id.kind, model.config()).cols));
  model.read_rows(id, first, count, out);
  return out;
}

double moment(const std::vector<float>& values, int power) {
  double sum = 0;
  for (const float v : values) sum += std::pow(v, power);
  return sum / static_cast<double>(values.size());
}

TEST(RandomModel, IsGaussianOfTheStatedScale) {
  const auto model = random_model(shape(), 1);
  EXPECT_TRUE(model->random());
  const auto v = rows(*model, {TensorKind::kEmbedding, 0}, 0, 3000);  // 1.56 million values
  const double sigma = std::sqrt(moment(v, 2));
  EXPECT_NEAR(moment(v, 1), 0, 1e-4);
  EXPECT_NEAR(sigma, 0.02, 1e-4);
  EXPECT_NEAR(moment(v, 4) / std::pow(sigma, 4), 3.0, 0.05);  // a Gaussian's kurtosis
  const auto down = rows(*model, {TensorKind::kDown, 3}, 0, 520);
  EXPECT_NEAR(std::sqrt(moment(down, 2)), 0.02 / 4, 1e-4);  // sqrt(2 * 8 layers)
  for (const float one : rows(*model, {TensorKind::kMlpNorm, 3}, 0, 1)) EXPECT_EQ(one, 1.0f);
}

TEST(RandomModel, DependsOnSeedTensorAndIndexOnly) {
  const auto model = random_model(shape(), 1);
  const TensorId gate{TensorKind::kGate, 2};
  const auto whole = rows(*model, gate, 0, 1000);
  EXPECT_EQ(whole, rows(*random_model(shape(), 1), gate, 0, 1000));
  for (std::int64_t first = 0; first < 1000; first += 37) {
    const std::int64_t count = std::min<std::int64_t>(5, 1000 - first);
    const auto part = rows(*model, gate, first, count);
    ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first * 520)) << first;
  }
  EXPECT_NE(whole, rows(*random_model(shape(), 2), gate, 0, 1000));
  EXPECT_NE(whole, rows(*model, {TensorKind::kGate, 3}, 0, 1000));
  EXPECT_NE(whole, rows(*model, {TensorKind::kUp, 2}, 0, 1000));
  EXPECT_EQ(rows(*model, {TensorKind::kEmbedding, 0}, 7, 1),
            rows(*model, {TensorKind::kEmbedding, 9}, 7, 1));
}

// Rows are made of stretches of one table: no two may come out the same or opposite.
TEST(RandomModel, RowsAreIndependent) {
  const auto model = random_model(shape(), 3);
  const auto v = rows(*model, {TensorKind::kUp, 0}, 0, 1000);
  const double norm = 520 * 0.02 * 0.02;
  double worst = 0;
  for (std::size_t a = 0; a < 200; ++a) {
    for (std::size_t b = a + 1; b < 200; ++b) {
      double dot = 0;
      for (std::size_t i = 0; i < 520; ++i) dot += v[a * 520 + i] * v[b * 520 + i];
      worst = std::max(worst, std::abs(dot) / norm);
    }
  }
  EXPECT_LT(worst, 0.6);  // independent rows: about 4.5 / sqrt(520) = 0.2; a shared stretch: 0.5
}

TEST(RandomModel, TiedHeadIsTheEmbedding) {
  Config c = shape();
  c.tied_embeddings = true;
  const auto model = random_model(c, 4);
  EXPECT_EQ(rows(*model, {TensorKind::kLmHead, 0}, 5, 3),
            rows(*model, {TensorKind::kEmbedding, 0}, 5, 3));
  EXPECT_EQ(model->config().checkpoint_dtype, "bf16");
}

TEST(RandomModel, RefusesImpossibleShapes) {
  Config c = shape();
  c.kv_heads = 3;
  EXPECT_THROW(random_model(c, 1), InputError);
  c = shape();
  c.hidden = 0;
  EXPECT_THROW(random_model(c, 1), InputError);
}

}  // namespace
}  // namespace rooftop::inference
