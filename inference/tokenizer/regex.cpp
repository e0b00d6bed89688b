#include "inference/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

constexpr std::size_t kMaxPatternBytes = 16 << 10;
constexpr std::uint32_t kMatchLimit = 1'000'000;  // steps of one match; real patterns take few
constexpr std::uint32_t kHeapLimitKib = 64 << 10;
constexpr std::size_t kJitStackBytes = 1 << 20;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};

using Code = std::unique_ptr<pcre2_code, Freer<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack_free>>;

// PCRE2's \s also holds U+180E, Oniguruma's does not: both become the Unicode property itself.
// \h and && mean other things there than here.
std::string translate(const std::string& pattern, const std::string& source) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    const bool escape = pattern[i] == '\\';
    if ((escape && (next == 'h' || next == 'H')) || (pattern[i] == '&' && next == '&')) {
      throw InputError(fmt::format(
          "{}: the regular expression \"{}\" uses \\h or &&, which are not supported yet.", source,
          printable(pattern)));
    }
    if (escape && (next == 's' || next == 'S')) {
      out += next == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
      ++i;
    } else {
      out += pattern[i];
      if (escape && next != '\0') out += pattern[++i];
    }
  }
  return out;
}

}  // namespace

struct RegexScratch::Parts {
  MatchData data{pcre2_match_data_create(1, nullptr)};
  MatchContext context{pcre2_match_context_create(nullptr)};
  JitStack stack{pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr)};
};

RegexScratch::RegexScratch() : parts_(std::make_unique<Parts>()) {
  if (!parts_->data || !parts_->context) throw std::bad_alloc();
  pcre2_set_match_limit(parts_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(parts_->context.get(), kHeapLimitKib);
  if (parts_->stack) pcre2_jit_stack_assign(parts_->context.get(), nullptr, parts_->stack.get());
}

RegexScratch::~RegexScratch() = default;

struct Regex::Parts {
  std::string pattern;
  std::string source;
  Code code;
};

Regex::Regex(const std::string& pattern, const std::string& source)
    : parts_(std::make_unique<Parts>(Parts{pattern, source, nullptr})) {
  if (pattern.size() > kMaxPatternBytes) {
    throw InputError(
        fmt::format("{}: a regular expression of {} bytes is too long.", source, pattern.size()));
  }
  const std::string text = translate(pattern, source);
  // In Oniguruma's Ruby syntax ^ and $ stand at every line.
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  std::size_t at = 0;
  parts_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), options,
                                   &error, &at, nullptr));
  if (!parts_->code) {
    throw InputError(
        fmt::format("{}: the regular expression \"{}\" is not valid.", source, printable(pattern)));
  }
  // Where compiled code is not allowed (a hardened kernel) the interpreter does.
  pcre2_jit_compile(parts_->code.get(), PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&& other) noexcept = default;

void Regex::split(std::string_view text, RegexScratch& scratch,
                  const std::function<void(std::string_view)>& piece) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  pcre2_match_data* data = scratch.parts_->data.get();
  const std::size_t* bounds = pcre2_get_ovector_pointer(data);
  std::size_t done = 0;  // everything before has been given out
  std::size_t from = 0;
  while (from < text.size()) {
    const int rc =
        pcre2_match(parts_->code.get(), subject, text.size(), from,
                    PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data, scratch.parts_->context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    // Copied: `piece` may match another expression with the same scratch.
    const std::size_t begin = bounds[0];
    const std::size_t end = bounds[1];
    if (rc < 0 || end <= begin || begin < done) {
      throw InputError(fmt::format(
          "{}: the regular expression \"{}\" takes too long on this text; shorten the text.",
          parts_->source, printable(parts_->pattern)));
    }
    if (begin > done) piece(text.substr(done, begin - done));
    piece(text.substr(begin, end - begin));
    done = from = end;
  }
  if (done < text.size()) piece(text.substr(done));
}

}  // namespace rooftop::inference
