// Small models written with Transformers: logits and greedy tokens as it computed them
// (tests/fixtures/make_model_fixtures.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "inference/cpu/cpu_backend.h"
#include "inference/files/model_files.h"
#include "inference/loop.h"

namespace rooftop::inference {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(ROOFTOP_TEST_DATA) / "fixtures/models";

// The values of a little-endian float32 .npy file of version 1.0.
std::vector<float> read_npy(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header = static_cast<unsigned char>(bytes.at(8)) |
                             static_cast<std::size_t>(static_cast<unsigned char>(bytes.at(9))) << 8;
  std::vector<float> values((bytes.size() - 10 - header) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + 10 + header, values.size() * sizeof(float));
  return values;
}

class Fixture : public testing::TestWithParam<std::tuple<std::string, Attention>> {};

TEST_P(Fixture, LogitsAndGreedyTokensAreThoseOfTransformers) {
  const auto& [name, attention] = GetParam();
  const fs::path folder = kModels / name;
  const auto expected = nlohmann::json::parse(std::ifstream(folder / "expected.json"));
  const std::vector<std::vector<std::int32_t>> prompts{expected.at("prompt")};
  const std::vector<std::int32_t> tokens = expected.at("tokens");
  const std::vector<float> logits = read_npy(folder / "expected_logits.npy");

  const auto source =
      open_model((fs::exists(folder / "model.gguf") ? folder / "model.gguf" : folder).string());
  const auto vocab = static_cast<std::size_t>(source->config().vocab);
  ASSERT_EQ(logits.size(), tokens.size() * vocab);
  for (const std::int64_t candidates : {1, 5}) {
    BackendOptions options;
    options.attention = attention;
    options.max_length = 48;
    options.max_rows = 32;
    options.max_logit_rows = 8;
    const auto backend = make_cpu_backend(*source, options);
    Loop loop(*backend, source->config(), options);
    GenerateOptions generate;
    generate.max_tokens = std::ssize(tokens);
    generate.ignore_eos = true;
    generate.candidates = candidates;
    std::vector<float> got;
    const Generated result =
        loop.generate(prompts, generate, {}, [&](std::int64_t, std::span<const float> row) {
          got.insert(got.end(), row.begin(), row.end());
        });
    EXPECT_EQ(result.tokens.at(0), tokens);
    ASSERT_EQ(got.size(), logits.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const float scale = std::max(1.0F, std::fabs(logits[i]));
      ASSERT_NEAR(got[i], logits[i], 1e-4F * scale) << "token " << i / vocab;
    }
  }
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kModels)) {
    if (fs::exists(entry.path() / "expected.json")) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string fixture_name(const testing::TestParamInfo<std::tuple<std::string, Attention>>& info) {
  std::string name = std::get<0>(info.param) + "_" + std::string(name_of(std::get<1>(info.param)));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, Fixture,
                         testing::Combine(testing::ValuesIn(model_names()),
                                          testing::Values(Attention::kFlash, Attention::kUnfused)),
                         fixture_name);

}  // namespace
}  // namespace rooftop::inference
