// Text generation with the loop: prefill, decode, candidate rows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "inference/draft.h"
#include "inference/loop.h"
#include "inference/sampler.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

struct Sequence {
  std::int64_t index = 0;
  std::vector<std::int32_t> history;  // prompt, then what was generated
  std::vector<std::int32_t> rows;     // of the next step: the last token, then guesses
  Sampler sampler;
  bool ended = false;
};

// What draws tokens from logits and hands them on.
class Drawer {
 public:
  Drawer(const GenerateOptions& options, std::vector<std::int32_t> eos, std::int64_t vocab,
         const OnToken& on_token, const OnLogits& on_logits, Generated& out)
      : options_(options),
        eos_(std::move(eos)),
        vocab_(static_cast<std::size_t>(vocab)),
        on_token_(on_token),
        on_logits_(on_logits),
        out_(out) {}

  // Draws from row after row as long as the model agrees with the guess that the next row was
  // computed for. `logits` begin with the sequence's rows and are left behind them. Returns how
  // many of the step's rows are part of the sequence now.
  std::int64_t draw(Sequence& s, std::size_t rows, std::span<const float>& logits) {
    const auto mine = logits.first(rows * vocab_);
    logits = logits.subspan(rows * vocab_);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::int32_t token = next(s, mine.subspan(row * vocab_, vocab_));
      const bool more = row + 1 < rows && !s.ended;
      if (!more || token != s.rows[row + 1]) return static_cast<std::int64_t>(row) + 1;
      ++out_.accepted;
    }
    return 0;  // not reached: the last row always returns
  }

  // Hands on what the last step drew: after the step, so that what a caller does with a token
  // (print it, write its logits) is no part of the step's time. The logits are the backend's, still
  // valid.
  void deliver() {
    for (const Drawn& d : drawn_) {
      if (on_logits_) on_logits_(d.sequence, d.logits);
      if (on_token_) on_token_(d.sequence, d.token);
    }
    drawn_.clear();
  }

 private:
  struct Drawn {
    std::int64_t sequence;
    std::int32_t token;
    std::span<const float> logits;
  };

  std::int32_t next(Sequence& s, std::span<const float> row) {
    const std::int32_t token = s.sampler.draw(row);
    if (!std::isfinite(row[static_cast<std::size_t>(token)])) {
      throw InputError(fmt::format(
          "The logits after {} tokens of sequence {} are not finite: the values overflow the "
          "compute type, use f32 or bf16.",
          s.history.size(), s.index));
    }
    auto& tokens = out_.tokens[static_cast<std::size_t>(s.index)];
    s.history.push_back(token);
    tokens.push_back(token);
    const bool eos =
        !options_.ignore_eos && std::find(eos_.begin(), eos_.end(), token) != eos_.end();
    s.ended = eos || std::ssize(tokens) >= options_.max_tokens;
    drawn_.push_back({s.index, token, row});
    return token;
  }

  const GenerateOptions& options_;
  std::vector<std::int32_t> eos_;
  std::size_t vocab_;
  const OnToken& on_token_;
  const OnLogits& on_logits_;
  Generated& out_;
  std::vector<Drawn> drawn_;
};

}  // namespace

void Loop::check_generate(std::span<const std::vector<std::int32_t>> prompts,
                          const GenerateOptions& options) const {
  const auto refuse = [](std::string message) { throw InputError(std::move(message)); };
  const auto batch = std::ssize(prompts);
  if (batch < 1 || batch > options_.max_batch) {
    refuse(fmt::format("{} prompts were given, but the KV cache has {} slots: give 1 to {}.", batch,
                       options_.max_batch, options_.max_batch));
  }
  if (options.max_tokens < 1) {
    refuse(
        fmt::format("The number of tokens to generate is {}: give 1 or more.", options.max_tokens));
  }
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    refuse(fmt::format("The temperature is {}: give 0 (greedy) or more.", options.temperature));
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    refuse(fmt::format("Top-p is {}: give a number above 0, and at most 1.", options.top_p));
  }
  const std::int64_t most = std::min(options_.max_rows, options_.max_logit_rows) / batch;
  if (options.candidates < 1 || options.candidates > most) {
    refuse(
        fmt::format("{} candidate rows for each of {} sequences were asked for, but this backend "
                    "was made for {} rows with logits for {}: give 1 to {}.",
                    options.candidates, batch, options_.max_rows, options_.max_logit_rows, most));
  }
  for (std::int64_t i = 0; i < batch; ++i) {
    const auto tokens = std::ssize(prompts[static_cast<std::size_t>(i)]);
    if (tokens == 0) refuse(fmt::format("Prompt {} has no tokens: give at least one.", i));
    if (tokens > options_.max_length - options.max_tokens + 1) {
      refuse(
          fmt::format("Prompt {} has {} tokens and {} are to be generated, but the KV cache "
                      "holds {}: use a longer cache, or fewer tokens.",
                      i, tokens, options.max_tokens, options_.max_length));
    }
  }
}

Generated Loop::generate(std::span<const std::vector<std::int32_t>> prompts,
                         const GenerateOptions& options, const OnToken& on_token,
                         const OnLogits& on_logits) {
  check_generate(prompts, options);
  Generated out;
  out.tokens.resize(prompts.size());
  Drawer drawer(options, options.eos_tokens.empty() ? eos_tokens_ : options.eos_tokens, vocab_,
                on_token, on_logits, out);

  std::vector<Sequence> sequences;
  for (const auto& prompt : prompts) {
    const auto index = std::ssize(sequences);
    rewind(static_cast<std::int32_t>(index), 0);
    sequences.push_back({index, prompt, prompt,
                         Sampler(options.temperature, options.top_p, options.seed,
                                 static_cast<std::uint64_t>(index))});
  }
  std::vector<NewTokens> parts;
  const auto step = [&](nvtx::Phase phase, bool all_rows) {
    parts.clear();
    for (const auto& s : sequences) {
      parts.push_back({static_cast<std::int32_t>(s.index), s.rows,
                       all_rows ? static_cast<std::int32_t>(s.rows.size()) : 1});
    }
    forward(phase, parts, false, [&](std::span<const float> logits) {
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto rows = static_cast<std::size_t>(parts[i].logit_rows);
        const std::int64_t kept = drawer.draw(sequences[i], rows, logits);
        rewind(parts[i].slot, length(parts[i].slot) - parts[i].logit_rows + kept);
      }
    });
    drawer.deliver();
    std::erase_if(sequences, [](const Sequence& s) { return s.ended; });
  };

  step(nvtx::kInit, false);
  while (!sequences.empty()) {
    for (auto& s : sequences) {
      // The cache may end before the last guess would fit.
      const std::int64_t left = options_.max_length - length(static_cast<std::int32_t>(s.index));
      const std::int64_t rows = std::min(options.candidates, left);
      s.rows.assign(1, s.history.back());
      const auto guesses = guess_next(s.history, rows - 1);
      s.rows.insert(s.rows.end(), guesses.begin(), guesses.end());
      out.guessed += rows - 1;
    }
    step(nvtx::kAr, true);
    ++out.decode_steps;
  }
  return out;
}

}  // namespace rooftop::inference
