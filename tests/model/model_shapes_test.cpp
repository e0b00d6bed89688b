#include "profiler/model/model_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

using ::testing::HasSubstr;

// Parameters of a whole model, as its makers count them, follow from its dimensions.
double parameters(const ModelShape& m) {
  const double h = m.hidden;
  const double per_layer = h * (m.heads + 2.0 * m.kv_heads) * m.head_dim +
                           h * m.heads * m.head_dim + 3.0 * h * m.ffn + 2 * h;
  return m.layers * per_layer + h + (m.tied_embeddings ? 1 : 2) * h * m.vocab;
}

TEST(ModelShapes, ParameterCountsArePublishedOnes) {
  // Published: model cards and the safetensors index of each repository.
  const std::pair<const char*, double> published[] = {
      {"llama-7b", 6738415616},   {"llama-13b", 13015864320},   {"llama-33b", 32528943616},
      {"llama-65b", 65285660672}, {"llama-2-7b", 6738415616},   {"llama-2-70b", 68976648192},
      {"llama-3-8b", 8030261248}, {"llama-3.2-1b", 1235814400}, {"tinyllama-1.1b", 1100048384},
      {"smollm-135m", 134515008}};
  EXPECT_EQ(std::size(published), named_models().size());
  for (const auto& [name, count] : published) {
    EXPECT_EQ(parameters(named_model(name).shape), count) << name;
  }
}

TEST(ModelShapes, EveryModelIsWholeAndUnique) {
  std::set<std::string> names;
  std::set<std::string_view> displayed;
  for (const NamedModel& m : named_models()) {
    EXPECT_TRUE(names.insert(m.shape.name).second) << m.shape.name;
    EXPECT_TRUE(displayed.insert(m.display_name).second) << m.display_name;
    EXPECT_EQ(m.shape.heads % m.shape.kv_heads, 0U) << m.shape.name;
    EXPECT_EQ(m.shape.heads * m.shape.head_dim, m.shape.hidden) << m.shape.name;
    EXPECT_GT(m.shape.max_positions, 0U) << m.shape.name;
    EXPECT_EQ(find_named_model(m.shape.name), &m);
    EXPECT_EQ(display_name_of(m.shape), m.display_name);
  }
}

TEST(ModelShapes, WhatARandomWeightRunNeeds) {
  EXPECT_EQ(named_model("llama-7b").norm_eps, 1e-6);
  EXPECT_EQ(named_model("llama-65b").norm_eps, 1e-5);
  EXPECT_EQ(named_model("llama-3-8b").rope_theta, 5e5);
  EXPECT_FALSE(named_model("llama-3-8b").rope_scaling.has_value());
  const NamedModel& small = named_model("llama-3.2-1b");
  ASSERT_TRUE(small.rope_scaling.has_value());
  EXPECT_EQ(small.rope_scaling->factor, 32);
  EXPECT_EQ(small.rope_scaling->low_freq_factor, 1);
  EXPECT_EQ(small.rope_scaling->high_freq_factor, 4);
  EXPECT_EQ(small.rope_scaling->original_max_positions, 8192);
  EXPECT_TRUE(small.shape.tied_embeddings);
}

TEST(ModelShapes, SuggestsTheNearestName) {
  EXPECT_EQ(nearest_model_name("llama7b"), "llama-7b");
  EXPECT_EQ(nearest_model_name("LLaMA-2-70B"), "llama-2-70b");
  EXPECT_EQ(nearest_model_name("llama-3.2-1"), "llama-3.2-1b");
  EXPECT_EQ(nearest_model_name("smolm-135m"), "smollm-135m");
  EXPECT_EQ(nearest_model_name("tinylama-1.1b"), "tinyllama-1.1b");
  EXPECT_EQ(nearest_model_name(""), std::nullopt);
  EXPECT_EQ(nearest_model_name("qqqqqqqq"), std::nullopt);
  EXPECT_EQ(nearest_model_name(std::string(1 << 20, 'l')), std::nullopt);
}

TEST(ModelShapes, AnUnknownNameIsRefusedWithHelp) {
  try {
    (void)named_model("lama-7b");
    FAIL() << "accepted";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("'lama-7b'"));
    EXPECT_THAT(e.what(), HasSubstr("did you mean 'llama-7b'?"));
    EXPECT_THAT(e.what(), HasSubstr("llama-2-70b"));
  }
}

TEST(ModelShapes, AnUnnamedShapeShowsItsOwnName) {
  EXPECT_EQ(display_name_of(ModelShape{.name = "my-model"}), "my-model");
}

}  // namespace
}  // namespace rooftop
