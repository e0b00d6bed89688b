#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "inference/files/model_files.h"
#include "profiler/core/error.h"
#include "tests/inference/fixtures.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

// A copy of a fixture that a test may spoil.
class Copy {
 public:
  explicit Copy(const std::string& model) {
    for (const auto& entry : std::filesystem::directory_iterator(fixture("models/" + model))) {
      folder_.write(entry.path().filename().string(), read_text(entry.path()));
    }
  }
  [[nodiscard]] std::string path() const { return folder_.path().string(); }
  void remove(const std::string& name) const { std::filesystem::remove(folder_.path() / name); }
  void write(const std::string& name, const std::string& text) const { folder_.write(name, text); }
  void change(const std::string& name, const std::function<void(Json&)>& change) const {
    Json json = read_json(folder_.path() / name);
    change(json);
    folder_.write(name, json.dump());
  }
  [[nodiscard]] std::string error() const {
    try {
      open_model(path());
    } catch (const InputError& e) {
      return e.what();
    }
    return "accepted";
  }

 private:
  TemporaryFolder folder_;
};

const std::string kIndex = "model.safetensors.index.json";

TEST(HfFolder, RefusesIncompleteFolders) {
  EXPECT_EQ(Copy("sharded").error(), "accepted");
  Copy no_config("mha");
  no_config.remove("config.json");
  EXPECT_THAT(no_config.error(), HasSubstr("config.json"));
  Copy no_weights("mha");
  no_weights.remove("model.safetensors");
  EXPECT_THAT(no_weights.error(), HasSubstr("neither model.safetensors nor"));
  EXPECT_EQ(read_config(no_weights.path()).hidden, 24);  // enough to predict from
  Copy no_shard("sharded");
  no_shard.remove("model-00002-of-00002.safetensors");
  EXPECT_THAT(no_shard.error(), HasSubstr("model-00002-of-00002.safetensors is missing"));
  Copy half("sharded");
  half.change(kIndex, [](Json& j) {
    for (auto& [tensor, shard] : j["weight_map"].items())
      shard = "model-00001-of-00002.safetensors";
  });
  EXPECT_THAT(half.error(), HasSubstr("is missing"));
}

TEST(HfFolder, RefusesShardsOutsideTheFolder) {
  for (const char* name : {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "",
                           "..\\x.safetensors", "config.json"}) {
    Copy copy("sharded");
    copy.change(kIndex, [&](Json& j) { j["weight_map"]["lm_head.weight"] = name; });
    EXPECT_THAT(copy.error(), HasSubstr("no .safetensors file of the same folder")) << name;
  }
  Copy number("sharded");
  number.change(kIndex, [](Json& j) { j["weight_map"]["lm_head.weight"] = 7; });
  EXPECT_THAT(number.error(), HasSubstr("not a string"));
  Copy empty("sharded");
  empty.change(kIndex, [](Json& j) { j["weight_map"] = Json::object(); });
  EXPECT_THAT(empty.error(), HasSubstr("weight_map"));
}

TEST(HfFolder, RefusesTheSameTensorInTwoShards) {
  Copy copy("sharded");
  const std::string one = read_text(copy.path() + "/model-00001-of-00002.safetensors");
  copy.write("model-00002-of-00002.safetensors", one);
  EXPECT_THAT(copy.error(), HasSubstr("also stands in another shard"));
}

TEST(HfFolder, RefusesOtherShapesAndOtherTensors) {
  Copy shape("mha");
  shape.change("config.json", [](Json& j) { j["intermediate_size"] = 33; });
  EXPECT_THAT(shape.error(), HasSubstr("has the shape [32, 24], where config.json wants [33, 24]"));
  Copy layers("mha");
  layers.change("config.json", [](Json& j) { j["num_hidden_layers"] = 3; });
  EXPECT_THAT(layers.error(), HasSubstr("model.layers.2.input_layernorm.weight is missing"));
  Copy fewer("mha");
  fewer.change("config.json", [](Json& j) { j["num_hidden_layers"] = 1; });
  EXPECT_THAT(fewer.error(), HasSubstr("is none of a plain Llama's"));
  Copy untied("tied");
  untied.change("config.json", [](Json& j) { j["tie_word_embeddings"] = false; });
  EXPECT_THAT(untied.error(), HasSubstr("lm_head.weight is missing"));
  // A tied model that stores its head all the same: Transformers ignores it, and so do we.
  Copy tied("mha");
  tied.change("config.json", [](Json& j) { j["tie_word_embeddings"] = true; });
  EXPECT_EQ(tied.error(), "accepted");
}

TEST(HfFolder, RefusesWhatIsNoFile) {
  EXPECT_THROW(open_model("/nonexistent"), InputError);
  EXPECT_THROW(read_config("/nonexistent"), InputError);
  EXPECT_THROW(open_model(""), InputError);
  EXPECT_THROW(open_model("/dev/zero"), InputError);
  const TemporaryFolder folder;
  EXPECT_THROW(open_model(folder.path().string()), InputError);
  EXPECT_THROW(open_model(folder.write("empty.gguf", "")), InputError);
  const std::string fifo = (folder.path() / "fifo.gguf").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THROW(open_model(fifo), InputError);  // and does not wait for a writer
}

}  // namespace
}  // namespace rooftop::inference
