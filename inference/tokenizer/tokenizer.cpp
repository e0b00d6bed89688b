#include "inference/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <cstdio>
#include <unordered_map>
#include <utility>
#include <variant>

#include "inference/files/mapped_file.h"
#include "inference/files/paths.h"
#include "inference/files/text.h"
#include "inference/tokenizer/added_tokens.h"
#include "inference/tokenizer/bpe.h"
#include "inference/tokenizer/byte_level.h"
#include "inference/tokenizer/loaders.h"
#include "inference/tokenizer/regex.h"
#include "inference/tokenizer/utf8.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
constexpr std::size_t kMaxAddedTokenBytes = 1024;  // bounds the work per byte of text

using Step = std::variant<Regex, PrependSpace, Metaspace>;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = 0; (at = text.find(from, done)) != std::string::npos;) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  text = out.append(text, done, std::string::npos);
}

void check_added(const AddedToken& token, const TokenizerSpec& spec) {
  if (token.text.empty() || token.text.size() > kMaxAddedTokenBytes || token.id < 0 ||
      static_cast<std::size_t>(token.id) >= spec.tokens.size()) {
    throw InputError(
        fmt::format("{}: the added token \"{}\" (id {}) is empty, longer than {} "
                    "bytes, or outside the vocabulary.",
                    spec.source, printable(token.text), token.id, kMaxAddedTokenBytes));
  }
}

}  // namespace

struct Tokenizer::Parts {
  TokenizerSpec spec;
  Bpe bpe;
  AddedTokens first;                                          // looked for in the text
  AddedTokens second;                                         // looked for in what those leave
  std::unordered_map<std::int32_t, const AddedToken*> added;  // into spec.added
  std::vector<Step> steps;

  explicit Parts(TokenizerSpec given) : spec(std::move(given)), bpe(spec) {
    for (const AddedToken& token : spec.added) {
      check_added(token, spec);
      (token.after_others ? second : first).add(token);
      added.emplace(token.id, &token);
    }
    for (const PreTokenizerStep& step : spec.steps) {
      if (const auto* split = std::get_if<SplitByRegex>(&step)) {
        steps.emplace_back(Regex(split->pattern, spec.source));
      } else if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
        steps.emplace_back(*metaspace);
      } else {
        steps.emplace_back(PrependSpace{});
      }
    }
    spec.steps.clear();
    spec.merges = {};  // Bpe has its own form of them
  }
};

namespace {

// One text on its way through the steps to tokens.
class Encoder {
 public:
  Encoder(const TokenizerSpec& spec, const Bpe& bpe, const std::vector<Step>& steps,
          std::vector<std::int32_t>& out)
      : spec_(spec), bpe_(bpe), steps_(steps), out_(out) {}

  // A stretch of text without added tokens; `at_start` where it begins the text.
  void stretch(std::string_view text, bool at_start) {
    at_start_ = at_start;
    if (spec_.prepend.empty() && spec_.replace.empty()) return runs(text);
    std::string normal = spec_.prepend;
    normal += text;
    for (const auto& [from, to] : spec_.replace) replace_all(normal, from, to);
    runs(normal);
  }

 private:
  // Valid UTF-8 goes through the steps; other bytes are a piece as they are.
  void runs(std::string_view text) {
    std::size_t begin = 0;
    bool valid = true;
    std::size_t i = 0;
    const auto flush = [&] {
      if (i > begin) valid ? step(0, text.substr(begin, i - begin)) : piece(text, begin, i);
      begin = i;
    };
    while (i < text.size()) {
      const Utf8Step next = utf8_step(text.substr(i));
      if (next.valid != valid) {
        flush();
        valid = next.valid;
      }
      i += next.length;
    }
    flush();
  }

  void piece(std::string_view text, std::size_t begin, std::size_t end) {
    bpe_.encode(text.substr(begin, end - begin), out_);
  }

  void step(std::size_t index, std::string_view text) {
    if (index == steps_.size()) return bpe_.encode(text, out_);
    const Step& s = steps_[index];
    if (const auto* regex = std::get_if<Regex>(&s)) {
      regex->split(text, scratch_, [&](std::string_view part) { step(index + 1, part); });
    } else if (const auto* metaspace = std::get_if<Metaspace>(&s)) {
      step(index + 1, with_metaspace(*metaspace, text));
    } else {
      step(index + 1, text.starts_with(' ') ? std::string(text) : " " + std::string(text));
    }
  }

  std::string with_metaspace(const Metaspace& m, std::string_view text) {
    std::string out(text);
    replace_all(out, " ", m.mark);
    const bool wanted = m.prepend == Metaspace::Prepend::kAlways ||
                        (m.prepend == Metaspace::Prepend::kFirst && at_start_);
    at_start_ = false;
    return wanted && !out.starts_with(m.mark) ? m.mark + out : out;
  }

  const TokenizerSpec& spec_;
  const Bpe& bpe_;
  const std::vector<Step>& steps_;
  std::vector<std::int32_t>& out_;
  RegexScratch scratch_;
  bool at_start_ = true;
};

}  // namespace

Tokenizer::Tokenizer(TokenizerSpec spec) : parts_(std::make_unique<Parts>(std::move(spec))) {}
Tokenizer::~Tokenizer() = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  const Parts& p = *parts_;
  if (text.size() > kMaxTextBytes) {
    throw InputError(
        fmt::format("A text of {} bytes is too long to tokenize at once; the most is "
                    "1 GiB.",
                    text.size()));
  }
  std::vector<std::int32_t> out = p.spec.prefix;
  Encoder encoder(p.spec, p.bpe, p.steps, out);
  const auto token = [&](std::int32_t id) { out.push_back(id); };
  const auto plain = [&](std::string_view part) {
    encoder.stretch(part, part.data() == text.data());
  };
  p.first.split(
      text, [&](std::string_view part) { p.second.split(part, plain, token); }, token);
  out.insert(out.end(), p.spec.suffix.begin(), p.spec.suffix.end());
  return out;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  StreamDecoder decoder(*this);
  std::string out;
  for (const std::int32_t id : ids) out += decoder.push(id);
  return out + decoder.finish();
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(parts_->spec.tokens.size());
}

std::string_view Tokenizer::token_name(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return parts_->spec.tokens[static_cast<std::size_t>(id)];
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto it = parts_->added.find(id);
  return it != parts_->added.end() && it->second->special;
}

std::string Tokenizer::token_bytes(std::int32_t id) const {
  if (const auto it = parts_->added.find(id); it != parts_->added.end()) return it->second->text;
  const std::string name(token_name(id));
  if (parts_->spec.alphabet == Alphabet::kByteLevel) {
    return bytes_of_byte_level(name).value_or(name);
  }
  unsigned byte = 0;
  if (name.size() == 6 && std::sscanf(name.c_str(), "<0x%02X>", &byte) == 1 && name[5] == '>') {
    return std::string(1, static_cast<char>(byte));
  }
  std::string text = name;
  if (!parts_->spec.space_mark.empty()) replace_all(text, parts_->spec.space_mark, " ");
  return text;
}

std::string StreamDecoder::push(std::int32_t id) {
  std::string bytes = tokenizer_.token_bytes(id);
  if (at_start_ && !bytes.empty()) {
    at_start_ = false;
    if (tokenizer_.parts_->spec.strip_first_space && bytes.front() == ' ') bytes.erase(0, 1);
  }
  pending_ += bytes;
  return take_utf8(pending_, /*flush=*/false);
}

std::string StreamDecoder::finish() { return take_utf8(pending_, /*flush=*/true); }

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model_path) {
  if (!is_folder(model_path)) {
    const MappedFile mapped(model_path);
    auto spec = tokenizer_from_gguf(GgufFile(mapped.bytes(), model_path));
    return spec ? std::make_unique<Tokenizer>(std::move(*spec)) : nullptr;
  }
  const std::string file = join_path(model_path, "tokenizer.json");
  if (exists(file)) {
    return std::make_unique<Tokenizer>(tokenizer_from_json(MappedFile(file).text(), file));
  }
  if (exists(join_path(model_path, "tokenizer.model"))) {
    throw InputError(fmt::format(
        "{} has a tokenizer.model only, which is not supported yet: save its tokenizer.json with "
        "AutoTokenizer.from_pretrained(...).save_pretrained(...).",
        model_path));
  }
  return nullptr;
}

}  // namespace rooftop::inference
