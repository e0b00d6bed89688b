// tokenizer.json, the format of Hugging Face's tokenizers library.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "inference/files/json.h"
#include "inference/files/text.h"
#include "inference/tokenizer/loaders.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBytes = 128 << 20;  // Llama 3's is 17 MB
constexpr std::size_t kMaxValues = 8 << 20;   // its own is 1.3 million
constexpr std::size_t kMaxSteps = 16;

class Loader {
 public:
  explicit Loader(const std::string& source) { spec_.source = source; }

  TokenizerSpec load(const Json& json) {
    read_model(json);
    read_added_tokens(json);
    read_normalizer(member(json, "normalizer"));
    read_pre_tokenizer(member(json, "pre_tokenizer"));
    spec_.alphabet = byte_level_ ? Alphabet::kByteLevel : Alphabet::kText;
    read_decoder(member(json, "decoder"));
    read_post_processor(member(json, "post_processor"));
    return std::move(spec_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw InputError(fmt::format("{}: {}", spec_.source, why));
  }

  [[noreturn]] void unsupported(const char* what, const std::string& which) const {
    refuse(fmt::format("the {} \"{}\" is not supported yet: give the tokens by their ids.", what,
                       printable(which)));
  }

  std::string type_of(const Json& json) const {
    return string_member(json, "type", spec_.source).value_or("");
  }

  bool flag(const Json& json, const char* key, bool absent) const {
    return boolean_member(json, key, spec_.source).value_or(absent);
  }

  std::string text(const Json& json, const char* key) const {
    return string_member(json, key, spec_.source).value_or("");
  }

  const Json& list(const Json& json, const char* key) const {
    const Json* out = member(json, key);
    if (out == nullptr || !out->is_array()) {
      refuse(fmt::format("\"{}\" is missing or is no list.", key));
    }
    return *out;
  }

  // Flattens {"type": "Sequence", `key`: [...]} into its parts.
  std::vector<const Json*> parts(const Json* json, const char* key) const {
    std::vector<const Json*> out;
    if (json == nullptr) return out;
    if (type_of(*json) != "Sequence") return {json};
    for (const Json& item : list(*json, key)) {
      for (const Json* part : parts(&item, key)) out.push_back(part);
      if (out.size() > kMaxSteps) refuse(fmt::format("\"{}\" holds too many steps.", key));
    }
    return out;
  }

  void add_token(const std::string& name, const Json& id) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxTokens) {
      refuse(fmt::format("the id of token \"{}\" is not from 0 to {}.", printable(name),
                         kMaxTokens - 1));
    }
    const auto index = id.get<std::size_t>();
    if (index >= spec_.tokens.size()) spec_.tokens.resize(index + 1);
    if (!spec_.tokens[index].empty() && spec_.tokens[index] != name) {
      refuse(fmt::format("the tokens \"{}\" and \"{}\" have the same id.",
                         printable(spec_.tokens[index]), printable(name)));
    }
    spec_.tokens[index] = name;
  }

  void read_model(const Json& json) {
    const Json* model = member(json, "model");
    if (model == nullptr || !model->is_object()) refuse("\"model\" is missing.");
    const std::string type = string_member(*model, "type", spec_.source).value_or("BPE");
    if (type != "BPE") unsupported("tokenizer model", type);
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!text(*model, key).empty()) unsupported("setting", key);
    }
    if (number_member(*model, "dropout", spec_.source).value_or(0) != 0) {
      unsupported("setting", "dropout");
    }
    spec_.byte_fallback = flag(*model, "byte_fallback", false);
    spec_.fuse_unknown = flag(*model, "fuse_unk", false);
    spec_.ignore_merges = flag(*model, "ignore_merges", false);

    const Json* vocab = member(*model, "vocab");
    if (vocab == nullptr || !vocab->is_object()) refuse("\"vocab\" is missing or is no object.");
    for (const auto& [name, id] : vocab->items()) {
      add_token(name, id);
      ids_.emplace(name, id.get<std::int32_t>());
    }
    const std::string unknown = text(*model, "unk_token");
    if (!unknown.empty()) spec_.unknown = id_of(unknown);
    for (const Json& merge : list(*model, "merges")) read_merge(merge);
  }

  std::int32_t id_of(const std::string& token) const {
    const auto it = ids_.find(token);
    if (it == ids_.end()) {
      refuse(
          fmt::format("the token \"{}\" is used, but the vocabulary lacks it.", printable(token)));
    }
    return it->second;
  }

  // "Ġ t", or ["Ġ", "t"] since tokenizers 0.20.
  void read_merge(const Json& merge) {
    std::string left, right;
    if (merge.is_string()) {
      const auto& both = merge.get_ref<const std::string&>();
      const std::size_t space = both.find(' ');
      if (space != std::string::npos && both.find(' ', space + 1) == std::string::npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    }
    if (left.empty() || right.empty()) refuse("a merge is not of two tokens.");
    spec_.merges.push_back({id_of(left), id_of(right), id_of(left + right)});
  }

  void read_added_tokens(const Json& json) {
    if (member(json, "added_tokens") == nullptr) return;
    for (const Json& token : list(json, "added_tokens")) {
      const std::string name = text(token, "content");
      const Json* id = member(token, "id");
      if (name.empty() || id == nullptr) refuse("an added token lacks its content or its id.");
      for (const char* key : {"lstrip", "rstrip", "single_word"}) {
        if (flag(token, key, false)) {
          refuse(
              fmt::format("\"{}\" of the added token \"{}\" is not supported yet: give the "
                          "tokens by their ids.",
                          key, printable(name)));
        }
      }
      add_token(name, *id);
      const bool special = flag(token, "special", false);
      const bool normalized = flag(token, "normalized", !special);
      any_normalized_ = any_normalized_ || normalized;
      spec_.added.push_back({name, id->get<std::int32_t>(), special, normalized});
    }
  }

  // Llama 2: a mark in front of the text, and in place of each space.
  void read_normalizer(const Json* normalizer) {
    for (const Json* part : parts(normalizer, "normalizers")) {
      const std::string type = type_of(*part);
      const Json* pattern = member(*part, "pattern");
      if (type == "Prepend" && spec_.prepend.empty() && spec_.replace.empty()) {
        spec_.prepend = text(*part, "prepend");
      } else if (type == "Replace" && pattern != nullptr && !text(*pattern, "String").empty()) {
        spec_.replace.emplace_back(text(*pattern, "String"), text(*part, "content"));
      } else {
        unsupported("normalizer", type);
      }
    }
    if (any_normalized_ && !(spec_.prepend.empty() && spec_.replace.empty())) {
      refuse(
          "an added token is \"normalized\" beside a normalizer, which is not supported yet: "
          "give the tokens by their ids.");
    }
  }

  void read_pre_tokenizer(const Json* pre_tokenizer) {
    for (const Json* part : parts(pre_tokenizer, "pretokenizers")) {
      const std::string type = type_of(*part);
      if (byte_level_) refuse("a pre-tokenizer after ByteLevel is not supported yet.");
      if (type == "ByteLevel") {
        byte_level_ = true;
        if (flag(*part, "add_prefix_space", true)) spec_.steps.push_back(PrependSpace{});
        if (flag(*part, "use_regex", true)) {
          spec_.steps.push_back(SplitByRegex{std::string(kGpt2Pattern)});
        }
      } else if (type == "Digits") {
        const bool one = flag(*part, "individual_digits", false);
        spec_.steps.push_back(SplitByRegex{std::string(kDigitPattern) + (one ? "" : "+")});
      } else if (type == "Split") {
        read_split(*part);
      } else if (type == "Metaspace") {
        read_metaspace(*part);
      } else {
        unsupported("pre-tokenizer", type);
      }
    }
  }

  void read_split(const Json& split) {
    const std::string behavior = text(split, "behavior");
    if (behavior != "Isolated") unsupported("behavior of Split", behavior);
    const Json* pattern = member(split, "pattern");
    const std::string regex = pattern == nullptr ? "" : text(*pattern, "Regex");
    if (regex.empty()) refuse("a Split without a regular expression is not supported yet.");
    spec_.steps.push_back(SplitByRegex{regex});  // "invert" does not matter: both sides are kept
  }

  void read_metaspace(const Json& json) {
    if (flag(json, "split", true)) unsupported("pre-tokenizer", "Metaspace with split");
    const std::string scheme = text(json, "prepend_scheme");
    Metaspace out;
    out.mark = text(json, "replacement");
    if (scheme == "first") {
      out.prepend = Metaspace::Prepend::kFirst;
    } else if (scheme == "always") {
      out.prepend = Metaspace::Prepend::kAlways;
    } else if (scheme != "never") {
      unsupported("prepend scheme of Metaspace", scheme);
    }
    if (out.mark.empty()) refuse("the replacement of Metaspace is missing.");
    spec_.steps.push_back(out);
  }

  void read_decoder(const Json* decoder) {
    for (const Json* part : parts(decoder, "decoders")) {
      const std::string type = type_of(*part);
      const Json* pattern = member(*part, "pattern");
      if ((type == "ByteLevel") != byte_level_) unsupported("decoder", type);
      if (type == "Replace" && pattern != nullptr && text(*part, "content") == " ") {
        spec_.space_mark = text(*pattern, "String");
      } else if (type == "Strip" && text(*part, "content") == " " &&
                 integer_member(*part, "start", spec_.source) == 1 &&
                 integer_member(*part, "stop", spec_.source) == 0) {
        spec_.strip_first_space = true;
      } else if (type == "Metaspace") {
        spec_.space_mark = text(*part, "replacement");
        spec_.strip_first_space = text(*part, "prepend_scheme") != "never";
      } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Fuse") {
        unsupported("decoder", type);
      }
    }
  }

  // ByteLevel there only moves offsets; TemplateProcessing adds BOS and the like.
  void read_post_processor(const Json* post_processor) {
    for (const Json* part : parts(post_processor, "processors")) {
      const std::string type = type_of(*part);
      if (type == "TemplateProcessing") {
        read_template(*part);
      } else if (type != "ByteLevel") {
        unsupported("post-processor", type);
      }
    }
  }

  void read_template(const Json& processor) {
    const Json* specials = member(processor, "special_tokens");
    bool before = true;
    for (const Json& item : list(processor, "single")) {
      if (member(item, "Sequence") != nullptr) {
        before = false;
        continue;
      }
      const Json* token = member(item, "SpecialToken");
      if (token == nullptr || specials == nullptr) refuse("the template's tokens are missing.");
      const Json* special = member(*specials, text(*token, "id").c_str());
      if (special == nullptr) refuse("the template names a token that it does not define.");
      for (const Json& id : list(*special, "ids")) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= spec_.tokens.size()) {
          refuse("the template holds an id outside the vocabulary.");
        }
        (before ? spec_.prefix : spec_.suffix).push_back(id.get<std::int32_t>());
      }
    }
  }

  TokenizerSpec spec_;
  std::unordered_map<std::string, std::int32_t> ids_;  // of the model's own vocabulary
  bool byte_level_ = false;
  bool any_normalized_ = false;
};

}  // namespace

TokenizerSpec tokenizer_from_json(std::string_view text, const std::string& source) {
  if (text.size() > kMaxBytes) {
    throw InputError(fmt::format("{} is larger than any tokenizer.", source));
  }
  return Loader(source).load(parse_json_object(text, source, kMaxValues));
}

}  // namespace rooftop::inference
