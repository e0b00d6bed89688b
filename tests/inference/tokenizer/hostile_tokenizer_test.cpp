// Tokenizers that are damaged, hostile or of a kind that is not supported: one clear error each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "inference/tokenizer/loaders.h"
#include "inference/tokenizer/tokenizer.h"
#include "profiler/core/error.h"
#include "tests/inference/fixtures.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

void build(const std::string& text) { Tokenizer(tokenizer_from_json(text, "t.json")); }

void expect_refused(const std::string& text, const std::string& why) {
  try {
    build(text);
    ADD_FAILURE() << "accepted; should say: " << why;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(why));
    EXPECT_THAT(error.what(), HasSubstr("t.json"));
  }
}

void expect_refused(const std::function<void(Json&)>& change, const std::string& why) {
  Json json = read_json(fixture("tokenizer/smollm.tokenizer.json"));
  change(json);
  expect_refused(json.dump(), why);
}

TEST(HostileTokenizer, RefusesByNameWhatItCannotDo) {
  expect_refused([](Json& j) { j["model"]["type"] = "Unigram"; }, "Unigram");
  expect_refused([](Json& j) { j["normalizer"] = {{"type", "NFC"}}; }, "\"NFC\"");
  expect_refused(
      [](Json& j) {
        j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
      },
      "BertPreTokenizer");
  expect_refused(
      [](Json& j) {
        j["post_processor"] = {{"type", "RobertaProcessing"}};
      },
      "RobertaProcessing");
  expect_refused([](Json& j) { j["model"]["dropout"] = 0.1; }, "dropout");
  expect_refused([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix");
  expect_refused([](Json& j) { j["added_tokens"][0]["lstrip"] = true; }, "lstrip");
  expect_refused([](Json& j) { j["added_tokens"][0]["single_word"] = true; }, "single_word");
  expect_refused([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, "WordPiece");
  expect_refused(
      [](Json& j) {
        j["pre_tokenizer"] = {
            {"type", "Split"}, {"pattern", {{"Regex", " "}}}, {"behavior", "Removed"}};
      },
      "Removed");
}

TEST(HostileTokenizer, RefusesContradictions) {
  expect_refused([](Json& j) { j["model"]["vocab"]["a"] = -1; }, "id of token \"a\"");
  expect_refused([](Json& j) { j["model"]["vocab"]["a"] = 1e30; }, "id of token \"a\"");
  expect_refused([](Json& j) { j["model"]["vocab"]["a"] = 4294967295u; }, "id of token \"a\"");
  expect_refused([](Json& j) { j["model"]["vocab"]["a"] = j["model"]["vocab"]["b"]; },
                 "have the same id");
  expect_refused([](Json& j) { j["model"]["merges"].push_back("q w"); }, "vocabulary lacks it");
  expect_refused([](Json& j) { j["model"]["merges"].push_back("qw"); }, "not of two tokens");
  expect_refused([](Json& j) { j["model"]["merges"].push_back(7); }, "not of two tokens");
  expect_refused([](Json& j) { j["model"]["merges"] = "a b"; }, "\"merges\"");
  expect_refused([](Json& j) { j.erase("model"); }, "\"model\"");
  expect_refused([](Json& j) { j["model"].erase("vocab"); }, "\"vocab\"");
  expect_refused([](Json& j) { j["model"]["unk_token"] = "<none>"; }, "<none>");
  expect_refused([](Json& j) { j["added_tokens"][0]["id"] = 77; }, "have the same id");
  expect_refused([](Json& j) { j["added_tokens"][0]["content"] = std::string(2000, 'x'); },
                 "same id");
  expect_refused(
      [](Json& j) {
        j["added_tokens"].push_back({{"content", std::string(2000, 'x')}, {"id", 400}});
      },
      "longer than 1024");
  expect_refused(
      [](Json& j) {
        j["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", Json::array({{{"SpecialToken", {{"id", "<s>"}}}}})},
                               {"special_tokens", {{"<s>", {{"ids", Json::array({99999})}}}}}};
      },
      "outside the vocabulary");
}

Json with_pattern(const std::string& pattern) {
  Json json = read_json(fixture("tokenizer/smollm.tokenizer.json"));
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       Json::array(
           {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}})}};
  return json;
}

TEST(HostileTokenizer, BoundsRegularExpressions) {
  expect_refused(with_pattern("(").dump(), "is not valid");
  expect_refused(with_pattern("[[a-z]&&[^b]]").dump(), "&&");
  expect_refused(with_pattern("\\h+").dump(), "\\h");
  expect_refused(with_pattern(std::string(20000, 'a')).dump(), "too long");
  expect_refused(with_pattern(std::string(9000, '(') + std::string(9000, ')')).dump(), "too long");
  expect_refused(with_pattern(std::string(8000, '(') + std::string(8000, ')')).dump(),
                 "is not valid");

  const Tokenizer catastrophic(tokenizer_from_json(with_pattern("(a+)+$").dump(), "t.json"));
  EXPECT_THROW(static_cast<void>(catastrophic.encode(std::string(5000, 'a') + "b")), InputError);
  // Patterns that match nothing, or the empty string, lose no text.
  for (const char* pattern : {"zzz", "a*", "(?=a)", "^", "\\b"}) {
    const Tokenizer odd(tokenizer_from_json(with_pattern(pattern).dump(), "t.json"));
    EXPECT_EQ(odd.decode(odd.encode("banana\nband")), "banana\nband") << pattern;
  }
}

TEST(HostileTokenizer, RefusesBadJson) {
  expect_refused("", "not valid JSON");
  expect_refused("[]", "not a JSON object");
  expect_refused("{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}}}", "stands twice");
  expect_refused(std::string(100000, '['), "nested deeper");
  std::string deep = "{\"model\":";
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  expect_refused(deep, "nested deeper");
  expect_refused("{\"a\": \"\xff\"}", "not valid JSON");
}

TEST(HostileTokenizer, SurvivesTruncationAndRandomDamage) {
  const std::string good = read_text(fixture("tokenizer/llama3.tokenizer.json"));
  for (std::size_t size = 0; size < good.size(); size += 7) {
    EXPECT_THROW(build(good.substr(0, size)), InputError) << size;
  }
  std::mt19937 random(9);
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bad = good;
    for (int flips = 0; flips < 3; ++flips) {
      bad[random() % bad.size()] = static_cast<char>(random() % 2 ? random() : '0' + random() % 75);
    }
    try {
      const Tokenizer tokenizer(tokenizer_from_json(bad, "t.json"));
      static_cast<void>(tokenizer.decode(tokenizer.encode("The roof, 2024 <|eot_id|>\n")));
      ++accepted;
    } catch (const InputError&) {
    }
  }
  EXPECT_GT(accepted, 0);  // else the damage never reaches the tokenizer itself
}

TEST(HostileTokenizer, SaysWhatAFolderLacks) {
  const TemporaryFolder folder;
  EXPECT_EQ(open_tokenizer(folder.path().string()), nullptr);
  folder.write("tokenizer.model", "x");
  try {
    static_cast<void>(open_tokenizer(folder.path().string()));
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tokenizer.model"));
  }
  EXPECT_THROW(static_cast<void>(open_tokenizer("/nonexistent/model.gguf")), InputError);
}

}  // namespace
}  // namespace rooftop::inference
