// The Llama loop: the one place that knows the order of the operators, on any backend. Around every
// step and operator it opens the scopes of rooftop/nvtx.h, which is how a profiler hears it.
//
// A step:  embed, layers x [attention_norm, qkv, rope, kv_write, attention | qk softmax pv, o_proj,
//          residual, mlp_norm, gate_up, activation, down, residual], final_norm, lm_head, sampling
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "inference/backend.h"
#include "rooftop/nvtx.h"

namespace rooftop::inference {

// New tokens of one sequence, and for how many of the last of them logits are wanted.
struct NewTokens {
  std::int32_t slot = 0;  // of the KV cache: they follow what the slot holds
  std::span<const std::int32_t> tokens;
  std::int32_t logit_rows = 1;
};

struct GenerateOptions {
  std::int64_t max_tokens = 64;  // of each sequence
  double temperature = 0;        // 0: greedy, the first of the largest logits
  double top_p = 1;
  std::uint64_t seed = 0;
  bool ignore_eos = false;
  std::vector<std::int32_t> eos_tokens = {};  // end a sequence; empty: the model's own
  // Rows of a decode step per sequence: the last token and candidates - 1 guesses of what follows
  // (prompt lookup). The longest run that the model itself would have drawn is kept, so that the
  // tokens are those of candidates = 1.
  std::int64_t candidates = 1;
};

struct Generated {
  std::vector<std::vector<std::int32_t>> tokens;  // of each sequence, a final EOS included
  std::int64_t decode_steps = 0;
  std::int64_t guessed = 0;   // candidate tokens that were verified
  std::int64_t accepted = 0;  // of these, how many were right
};

using OnToken = std::function<void(std::int64_t sequence, std::int32_t token)>;
// The raw logits [V] that a token was drawn from, before temperature; called just before OnToken.
using OnLogits = std::function<void(std::int64_t sequence, std::span<const float> logits)>;

class Loop {
 public:
  // `options` as given to the backend, which must outlive the loop. Opens the model scope. Throws
  // InputError where the options are impossible.
  Loop(Backend& backend, const Config& config, const BackendOptions& options);

  // Whether steps and operators open scopes, as they do from the start. For measuring their cost.
  void open_scopes(bool open) { scopes_ = open; }

  // Called with the step's logits, [logit rows][V], within the step's `sampling` operator.
  using Sample = std::function<void(std::span<const float> logits)>;

  // One forward pass over any mix of sequences (each slot at most once), ragged or not. `phase` is
  // what the step does for them; a warm-up is recorded but left out of averages. Throws InputError,
  // before anything is computed or recorded, where tokens, slots, lengths or rows are out of range.
  void forward(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
               const Sample& sample);

  // Keys that a slot holds; rewind() forgets those from `length` on.
  [[nodiscard]] std::int64_t length(std::int32_t slot) const;
  void rewind(std::int32_t slot, std::int64_t length);

  // Continues every prompt from an empty cache: one prefill step over all of them, then decode
  // steps over those that have not ended. The last token is not appended to the cache: a prompt of
  // p tokens needs p + max_tokens - 1 places. Throws InputError before anything is computed, or
  // where logits are not finite (a 16-bit type overflowed).
  Generated generate(std::span<const std::vector<std::int32_t>> prompts,
                     const GenerateOptions& options, const OnToken& on_token = {},
                     const OnLogits& on_logits = {});

  // Cells of a sweep, on random tokens, greedy sampling included: one step each, at exactly this
  // shape however often it is repeated.
  //
  // Prefill of `batch` prompts of `length` tokens into an empty cache.
  void prefill_cell(std::int64_t batch, std::int64_t length, bool warmup = false);
  // Decode of `candidates` rows per sequence, whose last row sees exactly `length` keys. What the
  // slots hold below length - candidates is kept (a prefill cell's keys, say); what is missing is
  // filled by Backend::fill_cache, or else by prefill steps marked as warm-up.
  void decode_cell(std::int64_t batch, std::int64_t length, std::int64_t candidates = 1,
                   bool warmup = false);

 private:
  void describe_model(const Config& config) const;
  void check(std::span<const NewTokens> sequences) const;
  void run_step(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
                const std::function<void()>& draw);
  void take_step(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
                 const std::function<void()>& draw);
  void take(std::span<const NewTokens> sequences);
  static const char* name_of(nvtx::Phase phase);
  void run_operators();
  void run_layers();
  [[nodiscard]] nvtx::StepPayload payload(nvtx::Phase phase, bool warmup) const;

  void check_generate(std::span<const std::vector<std::int32_t>> prompts,
                      const GenerateOptions& options) const;
  void check_cell(std::int64_t batch, std::int64_t query_tokens, std::int64_t length,
                  std::int64_t logit_rows) const;
  void run_cell(nvtx::Phase phase, std::int64_t batch, std::int64_t query_tokens,
                std::int64_t logit_rows, bool warmup);
  void fill_slot(std::int32_t slot, std::int64_t length);

  template <typename Body>
  void op(nvtx::Operator id, std::int32_t layer, const char* name, const Body& body);

  Backend& backend_;
  BackendOptions options_;
  bool scopes_ = true;
  std::int64_t layers_;
  std::int64_t vocab_;
  std::vector<std::int32_t> eos_tokens_;
  std::vector<std::int64_t> lengths_;  // of each slot
  std::mt19937_64 random_tokens_{0x526F6F66};

  // The step that runs.
  std::vector<std::int32_t> tokens_;
  std::vector<SequenceRows> rows_;
  std::vector<std::int32_t> logit_rows_;
  std::vector<std::int32_t> cell_tokens_;  // what a cell's sampling drew
};

}  // namespace rooftop::inference
