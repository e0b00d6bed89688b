// The real checkpoint continues prompts exactly as Transformers does with the same file
// (tests/fixtures/make_checkpoint_fixture.py). Skipped where the file has not been fetched.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "inference/cpu/cpu_backend.h"
#include "inference/files/model_files.h"
#include "inference/loop.h"

namespace rooftop::inference {
namespace {

namespace fs = std::filesystem;

fs::path checkpoint(const std::string& name) {
  if (const char* folder = std::getenv("ROOFTOP_CACHE_DIR")) return fs::path(folder) / name;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return fs::path(cache) / "rooftop" / name;
  }
  const char* home = std::getenv("HOME");
  return fs::path(home == nullptr ? "/" : home) / ".cache/rooftop" / name;
}

class Checkpoint : public testing::TestWithParam<std::int64_t> {};  // candidates

TEST_P(Checkpoint, GreedyContinuationsAreThoseOfTransformers) {
  const auto fixture = nlohmann::json::parse(
      std::ifstream(fs::path(ROOFTOP_TEST_DATA) / "fixtures/checkpoint_tokens.json"));
  const fs::path file = checkpoint(fixture.at("file"));
  if (!fs::exists(file)) {
    GTEST_SKIP() << file << " is not there: tools/fetch.sh brings the checkpoint.";
  }
  const auto source = open_model(file.string());
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<std::vector<std::int32_t>> expected;
  for (const auto& c : fixture.at("cases")) {
    prompts.push_back(c.at("prompt"));
    expected.push_back(c.at("greedy"));
  }
  // All prompts at once: a ragged batch.
  BackendOptions options;
  options.max_batch = std::ssize(prompts);
  options.max_length = 128;
  options.max_rows = 64;
  options.max_logit_rows = 32;
  const auto backend = make_cpu_backend(*source, options);
  Loop loop(*backend, source->config(), options);
  GenerateOptions generate;
  generate.max_tokens = std::ssize(expected.at(0));
  generate.ignore_eos = true;
  generate.candidates = GetParam();
  const Generated result = loop.generate(prompts, generate);
  EXPECT_EQ(result.tokens, expected);
  if (GetParam() > 1) {
    EXPECT_GT(result.accepted, 0);  // the texts repeat themselves
  }
}
INSTANTIATE_TEST_SUITE_P(Candidates, Checkpoint, testing::Values(1, 6));

}  // namespace
}  // namespace rooftop::inference
