// Cells of a sweep: one step of an exact shape, on random tokens.
#include <fmt/format.h>

#include <algorithm>

#include "inference/loop.h"
#include "profiler/core/error.h"

namespace rooftop::inference {

void Loop::check_cell(std::int64_t batch, std::int64_t query_tokens, std::int64_t length,
                      std::int64_t logit_rows) const {
  if (batch < 1 || batch > options_.max_batch) {
    throw InputError(fmt::format("A cell of batch {} does not fit: the KV cache has {} slots.",
                                 batch, options_.max_batch));
  }
  if (query_tokens < 1 || query_tokens > length || length > options_.max_length) {
    throw InputError(
        fmt::format("A cell of {} new tokens and length {} does not fit: the new tokens count in "
                    "the length, and the KV cache holds {}.",
                    query_tokens, length, options_.max_length));
  }
  if (query_tokens > options_.max_rows / batch || logit_rows > options_.max_logit_rows / batch) {
    throw InputError(fmt::format(
        "A cell of {} x {} rows with logits for {} x {} does not fit: this backend was made for {} "
        "and {}.",
        batch, query_tokens, batch, logit_rows, options_.max_rows, options_.max_logit_rows));
  }
}

void Loop::run_cell(nvtx::Phase phase, std::int64_t batch, std::int64_t query_tokens,
                    std::int64_t logit_rows, bool warmup) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(batch * query_tokens));
  for (auto& token : tokens) {
    token = static_cast<std::int32_t>(random_tokens_() % static_cast<std::uint64_t>(vocab_));
  }
  std::vector<NewTokens> parts;
  for (std::int64_t i = 0; i < batch; ++i) {
    parts.push_back({static_cast<std::int32_t>(i),
                     std::span(tokens).subspan(static_cast<std::size_t>(i * query_tokens),
                                               static_cast<std::size_t>(query_tokens)),
                     static_cast<std::int32_t>(logit_rows)});
  }
  run_step(phase, parts, warmup, [&] {
    const auto picked = backend_.picked();
    cell_tokens_.assign(picked.begin(), picked.end());
  });
}

void Loop::prefill_cell(std::int64_t batch, std::int64_t length, bool warmup) {
  check_cell(batch, length, length, 1);
  for (std::int64_t i = 0; i < batch; ++i) rewind(static_cast<std::int32_t>(i), 0);
  run_cell(nvtx::kInit, batch, length, 1, warmup);
}

void Loop::decode_cell(std::int64_t batch, std::int64_t length, std::int64_t candidates,
                       bool warmup) {
  check_cell(batch, candidates, length, candidates);  // every row is verified
  for (std::int64_t i = 0; i < batch; ++i) {
    fill_slot(static_cast<std::int32_t>(i), length - candidates);
  }
  run_cell(nvtx::kAr, batch, candidates, candidates, warmup);
}

void Loop::fill_slot(std::int32_t slot, std::int64_t length) {
  auto& held = lengths_[static_cast<std::size_t>(slot)];
  if (held < length && backend_.fill_cache(slot, static_cast<std::int32_t>(held),
                                           static_cast<std::int32_t>(length))) {
    held = length;
  }
  std::vector<std::int32_t> tokens;
  while (held < length) {
    tokens.assign(static_cast<std::size_t>(std::min(length - held, options_.max_rows)), 0);
    for (auto& token : tokens) {
      token = static_cast<std::int32_t>(random_tokens_() % static_cast<std::uint64_t>(vocab_));
    }
    const NewTokens part{slot, tokens, 1};
    forward(nvtx::kInit, {&part, 1}, true, [](std::span<const float>) {});
  }
  held = length;
}

}  // namespace rooftop::inference
