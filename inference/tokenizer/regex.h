// The regular expressions of pre-tokenizers, by PCRE2 (10.40 or later).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rooftop::inference {

// What a match needs to work in; not to be shared between threads. Made once per text.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

class Regex {
 public:
  // `pattern` in the dialect of Hugging Face's tokenizers (Oniguruma); \s is Unicode's White_Space
  // as it is there. Throws InputError, naming `source`, for one that does not compile or that the
  // two libraries would read differently.
  Regex(const std::string& pattern, const std::string& source);
  ~Regex();
  Regex(Regex&& other) noexcept;
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  Regex& operator=(Regex&&) = delete;

  // Cuts `text` (valid UTF-8) into matches and what lies between them, in order; none is empty.
  // Throws InputError where matching takes unreasonably long.
  void split(std::string_view text, RegexScratch& scratch,
             const std::function<void(std::string_view)>& piece) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rooftop::inference
