// Generation against a language model that can be computed by hand: what the loop generates must be
// what that model says about the whole text so far.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/loop.h"
#include "inference/sampler.h"
#include "profiler/core/error.h"
#include "tests/inference/loop/toy_backend.h"

namespace rooftop::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;

const std::vector<Tokens> kPrompts = {{1, 2, 3}, {7}, {4, 4, 4, 4, 9, 1, 0}};

Tokens expected_text(Tokens text, std::int64_t count, const GenerateOptions& options,
                     std::uint64_t sequence) {
  Sampler sampler(options.temperature, options.top_p, options.seed, sequence);
  Tokens out;
  for (std::int64_t i = 0; i < count; ++i) {
    out.push_back(sampler.draw(ToyBackend::logits_after(text)));
    text.push_back(out.back());
  }
  return out;
}

class Generate : public testing::Test {
 protected:
  ToyBackend backend{toy_options()};
  Config config = toy_config();
  Loop loop{backend, config, toy_options()};

  void expect_refused(const std::vector<Tokens>& prompts, const GenerateOptions& options,
                      const char* why) {
    try {
      loop.generate(prompts, options);
      ADD_FAILURE() << "was run: " << why;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(why));
    }
    EXPECT_TRUE(backend.calls.empty());
  }
};

TEST_F(Generate, RaggedPromptsContinueAsIfAlone) {
  GenerateOptions options;
  options.max_tokens = 40;
  const Generated result = loop.generate(kPrompts, options);
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    EXPECT_EQ(result.tokens.at(i), expected_text(kPrompts[i], 40, options, i));
  }
  EXPECT_EQ(result.decode_steps, 39);
  EXPECT_EQ(backend.steps.size(), 40U);
  EXPECT_EQ(backend.steps[0].size(), 3U);  // one ragged prefill
  EXPECT_EQ(backend.tokens[0].size(), 11U);
}

TEST_F(Generate, CandidatesChangeTheStepsButNotTheText) {
  for (const double temperature : {0.0, 0.3, 1.0}) {
    for (const double top_p : {1.0, 0.8}) {
      GenerateOptions options;
      options.max_tokens = 60;
      options.temperature = temperature;
      options.top_p = top_p;
      options.seed = 42;
      for (const std::int64_t candidates : {1, 2, 3, 8, 13}) {
        options.candidates = candidates;
        const Generated result = loop.generate(kPrompts, options);
        for (std::size_t i = 0; i < kPrompts.size(); ++i) {
          ASSERT_EQ(result.tokens.at(i), expected_text(kPrompts[i], 60, options, i))
              << candidates << " candidates, temperature " << temperature;
        }
        if (candidates > 1 && temperature == 0) {
          EXPECT_GT(result.accepted, 0);
          EXPECT_LT(result.decode_steps, 59);
        }
        EXPECT_LE(result.accepted, result.guessed);
      }
    }
  }
}

TEST_F(Generate, EveryDecodeStepCarriesItsCandidates) {
  GenerateOptions options;
  options.max_tokens = 20;
  options.candidates = 4;
  loop.generate(std::vector<Tokens>{{1, 2, 3}}, options);
  for (std::size_t i = 1; i < backend.steps.size(); ++i) {
    EXPECT_EQ(backend.steps[i].at(0).rows, 4);
    EXPECT_EQ(backend.logit_rows[i].size(), 4U);
  }
}

TEST_F(Generate, TheCacheMayBeFilledToTheLastPlace) {
  GenerateOptions options;
  options.max_tokens = 98;  // 3 + 98 - 1 = 100 places
  for (const std::int64_t candidates : {1, 8}) {
    options.candidates = candidates;
    const Generated result = loop.generate(std::vector<Tokens>{{1, 2, 3}}, options);
    EXPECT_EQ(result.tokens.at(0), expected_text({1, 2, 3}, 98, options, 0));
  }
}

TEST_F(Generate, SequencesEndAtTheirOwnEos) {
  GenerateOptions options;
  options.max_tokens = 30;
  std::vector<Tokens> full;
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    full.push_back(expected_text(kPrompts[i], 30, options, i));
  }
  options.eos_tokens = {full[0].at(4), full[1].at(1)};
  for (const std::int64_t candidates : {1, 5}) {
    options.candidates = candidates;
    const Generated result = loop.generate(kPrompts, options);
    for (std::size_t i = 0; i < full.size(); ++i) {
      const auto end = std::find_first_of(full[i].begin(), full[i].end(),
                                          options.eos_tokens.begin(), options.eos_tokens.end());
      Tokens expected(full[i].begin(), end);
      if (end != full[i].end()) expected.push_back(*end);  // a generated EOS is included
      EXPECT_EQ(result.tokens.at(i), expected);
    }
    options.ignore_eos = true;
    EXPECT_EQ(loop.generate(kPrompts, options).tokens, full);
    options.ignore_eos = false;
  }
}

TEST_F(Generate, TheModelsOwnEosIsTheDefault) {
  GenerateOptions options;
  options.max_tokens = 30;
  const Tokens full = expected_text({1, 2, 3}, 30, options, 0);
  config.eos_tokens = {full[0]};
  Loop own(backend, config, toy_options());
  EXPECT_THAT(own.generate(std::vector<Tokens>{{1, 2, 3}}, options).tokens.at(0),
              ElementsAre(full[0]));
}

TEST_F(Generate, SinksSeeEveryTokenWithTheLogitsItWasDrawnFrom) {
  GenerateOptions options;
  options.max_tokens = 12;
  options.candidates = 3;
  std::vector<Tokens> texts = kPrompts;
  std::vector<Tokens> streamed(3);
  loop.generate(
      kPrompts, options,
      [&](std::int64_t sequence, std::int32_t token) {
        const auto i = static_cast<std::size_t>(sequence);
        texts.at(i).push_back(token);
        streamed.at(i).push_back(token);
      },
      [&](std::int64_t sequence, std::span<const float> logits) {
        const auto expected =
            ToyBackend::logits_after(texts.at(static_cast<std::size_t>(sequence)));
        ASSERT_TRUE(std::ranges::equal(logits, expected));
      });
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(streamed[i], expected_text(kPrompts[i], 12, options, i));
  }
}

TEST_F(Generate, RefusesWhatCannotWorkBeforeItComputes) {
  const GenerateOptions good{.max_tokens = 5};
  expect_refused({}, good, "0 prompts");
  expect_refused({{1}, {1}, {1}, {1}, {1}}, good, "5 prompts were given, but the KV cache has 4");
  expect_refused({{1}, {}}, good, "Prompt 1 has no tokens");
  expect_refused({{1, 23}}, good, "Token 23");
  expect_refused({Tokens(61, 1)}, good, "61 rows");
  expect_refused({{1, 2, 3}}, {.max_tokens = 99}, "3 tokens and 99 are to be generated");
  expect_refused({{1}}, {.max_tokens = std::int64_t{1} << 62}, "are to be generated");
  expect_refused({{1}}, {.max_tokens = 0}, "generate is 0");
  expect_refused({{1}}, {.temperature = -1}, "temperature is -1");
  expect_refused({{1}}, {.temperature = HUGE_VAL}, "temperature is inf");
  expect_refused({{1}}, {.top_p = 0}, "Top-p is 0");
  expect_refused({{1}}, {.top_p = 1.5}, "Top-p is 1.5");
  expect_refused({{1}}, {.candidates = 0}, "0 candidate rows");
  expect_refused({{1}, {1}}, {.candidates = 21}, "give 1 to 20");
}

TEST_F(Generate, InfiniteLogitsAreAnErrorNotAText) {
  backend.overflows = true;
  try {
    loop.generate(kPrompts, {.max_tokens = 5});
    FAIL() << "generated";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not finite"));
  }
}

}  // namespace
}  // namespace rooftop::inference
