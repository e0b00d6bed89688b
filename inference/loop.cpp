#include "inference/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "profiler/core/error.h"

namespace rooftop::inference {

// Runs one operator within its scope.
template <typename Body>
void Loop::op(nvtx::Operator id, std::int32_t layer, const char* name, const Body& body) {
  if (!scopes_) return body();
  const nvtx::Op scope(id, layer, name);
  body();
}

Loop::Loop(Backend& backend, const Config& config, const BackendOptions& options)
    : backend_(backend),
      options_(options),
      layers_(options.layers == 0 ? config.layers : options.layers),
      vocab_(config.vocab),
      eos_tokens_(config.eos_tokens) {
  check_options(config, options);
  lengths_.resize(static_cast<std::size_t>(options.max_batch));
  describe_model(config);
}

void Loop::describe_model(const Config& config) const {
  const auto u32 = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  const BackendTraits traits = backend_.traits();
  nvtx::ModelPayload model;
  model.hidden = u32(config.hidden);
  model.layers = u32(config.layers);
  model.layers_run = u32(layers_);
  model.heads = u32(config.heads);
  model.kv_heads = u32(config.kv_heads);
  model.head_dim = u32(config.head_dim);
  model.ffn = u32(config.ffn);
  model.vocab = u32(config.vocab);
  model.tied_embeddings = config.tied_embeddings ? 1 : 0;
  model.max_positions = u32(config.max_positions);
  model.flash = options_.attention == Attention::kFlash ? 1 : 0;
  model.causal_skip = traits.causal_skip ? 1 : 0;
  model.weight_bytes = traits.weight_bytes;
  model.activation_bytes = traits.activation_bytes;
  model.kv_bytes = traits.kv_bytes;
  nvtx::describe_model(model, config.name.c_str());
}

void Loop::check(std::span<const NewTokens> sequences) const {
  if (sequences.empty()) throw InputError("A step has no sequences: give at least one.");
  std::int64_t rows = 0;
  std::int64_t logit_rows = 0;
  std::vector<bool> used(lengths_.size());
  for (const auto& s : sequences) {
    const auto count = std::ssize(s.tokens);
    if (s.slot < 0 || s.slot >= options_.max_batch) {
      throw InputError(fmt::format("Slot {} is out of range: the KV cache has slots 0 to {}.",
                                   s.slot, options_.max_batch - 1));
    }
    const auto slot = static_cast<std::size_t>(s.slot);
    if (used[slot]) {
      throw InputError(
          fmt::format("Slot {} is twice in one step: a slot is one sequence.", s.slot));
    }
    used[slot] = true;
    if (count == 0) {
      throw InputError(
          fmt::format("The sequence of slot {} has no new tokens: give at least one.", s.slot));
    }
    if (s.logit_rows < 1 || s.logit_rows > count) {
      throw InputError(fmt::format("Logits of {} rows were asked for, but the sequence has {}.",
                                   s.logit_rows, count));
    }
    if (lengths_[slot] + count > options_.max_length) {
      throw InputError(
          fmt::format("The sequence of slot {} would be {} tokens long, but the KV cache holds {}: "
                      "use a longer cache or fewer tokens.",
                      s.slot, lengths_[slot] + count, options_.max_length));
    }
    for (const std::int32_t token : s.tokens) {
      if (token >= 0 && token < vocab_) continue;
      throw InputError(fmt::format("Token {} is out of range: the vocabulary has ids 0 to {}.",
                                   token, vocab_ - 1));
    }
    rows += count;
    logit_rows += s.logit_rows;
  }
  if (rows > options_.max_rows || logit_rows > options_.max_logit_rows) {
    throw InputError(fmt::format(
        "A step of {} rows with logits for {} is too large: this backend was made for {} and {}.",
        rows, logit_rows, options_.max_rows, options_.max_logit_rows));
  }
}

void Loop::forward(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
                   const Sample& sample) {
  run_step(phase, sequences, warmup, [&] { sample(backend_.logits()); });
}

// The new tokens of the step, one sequence after another.
void Loop::take(std::span<const NewTokens> sequences) {
  tokens_.clear();
  rows_.clear();
  logit_rows_.clear();
  for (const auto& s : sequences) {
    auto& length = lengths_[static_cast<std::size_t>(s.slot)];
    const auto count = static_cast<std::int32_t>(s.tokens.size());
    length += count;
    const auto first = static_cast<std::int32_t>(tokens_.size());
    rows_.push_back({s.slot, first, count, static_cast<std::int32_t>(length)});
    tokens_.insert(tokens_.end(), s.tokens.begin(), s.tokens.end());
    for (std::int32_t r = count - s.logit_rows; r < count; ++r) logit_rows_.push_back(first + r);
  }
}

const char* Loop::name_of(nvtx::Phase phase) {
  return phase == nvtx::kInit ? "prefill" : (phase == nvtx::kAr ? "decode" : "step");
}

void Loop::run_step(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
                    const std::function<void()>& draw) {
  check(sequences);
  const std::vector<std::int64_t> lengths = lengths_;
  try {
    take_step(phase, sequences, warmup, draw);
  } catch (...) {
    lengths_ = lengths;  // what a failed step wrote is not part of any sequence
    throw;
  }
}

void Loop::take_step(nvtx::Phase phase, std::span<const NewTokens> sequences, bool warmup,
                     const std::function<void()>& draw) {
  take(sequences);
  std::optional<nvtx::Step> step;
  if (scopes_) step.emplace(payload(phase, warmup), name_of(phase));
  const StepWork work = backend_.begin({tokens_, rows_, logit_rows_});
  if (work != StepWork::kReplay) run_operators();
  if (work == StepWork::kCompute) {
    op(nvtx::kSampling, -1, "sampling", [&] {
      backend_.pick();
      draw();
    });
    return;
  }
  if (work == StepWork::kRecord) op(nvtx::kSampling, -1, "sampling", [&] { backend_.pick(); });
  backend_.run();
  draw();
}

void Loop::run_operators() {
  op(nvtx::kEmbed, -1, "embed", [&] { backend_.embed(); });
  run_layers();
  op(nvtx::kNorm, -1, "final_norm", [&] { backend_.final_norm(); });
  op(nvtx::kLmHead, -1, "lm_head", [&] { backend_.lm_head(); });
}

void Loop::run_layers() {
  const auto layers = static_cast<std::int32_t>(layers_);
  for (std::int32_t layer = 0; layer < layers; ++layer) {
    const auto run = [&](nvtx::Operator id, const char* name, void (Backend::*function)(int)) {
      op(id, layer, name, [&] { (backend_.*function)(layer); });
    };
    run(nvtx::kNorm, "attention_norm", &Backend::attention_norm);
    run(nvtx::kQkv, "qkv", &Backend::qkv);
    run(nvtx::kRope, "rope", &Backend::rope);
    run(nvtx::kKvWrite, "kv_write", &Backend::kv_write);
    if (options_.attention == Attention::kFlash) {
      run(nvtx::kQkPv, "attention", &Backend::attention);
    } else {
      run(nvtx::kQk, "qk", &Backend::qk);
      run(nvtx::kSoftmax, "softmax", &Backend::softmax);
      run(nvtx::kPv, "pv", &Backend::pv);
    }
    run(nvtx::kOProj, "o_proj", &Backend::o_proj);
    op(nvtx::kResidual, layer, "residual", [&] { backend_.residual(); });
    run(nvtx::kNorm, "mlp_norm", &Backend::mlp_norm);
    run(nvtx::kGateUp, "gate_up", &Backend::gate_up);
    run(nvtx::kActivation, "activation", &Backend::activation);
    run(nvtx::kDown, "down", &Backend::down);
    op(nvtx::kResidual, layer, "residual", [&] { backend_.residual(); });
  }
}

nvtx::StepPayload Loop::payload(nvtx::Phase phase, bool warmup) const {
  nvtx::StepPayload p;
  p.phase = phase;
  if (warmup) p.flags = nvtx::kWarmup;
  p.batch = static_cast<std::uint32_t>(rows_.size());
  for (const auto& s : rows_) {
    const auto rows = static_cast<std::uint64_t>(s.rows);
    const auto keys = static_cast<std::uint64_t>(s.length);
    p.total_query_tokens += rows;
    p.total_keys += keys;
    p.attention_pairs += rows * keys;
    p.causal_pairs += rows * keys - rows * (rows - 1) / 2;
  }
  const auto mean = [&](std::uint64_t sum) {
    return static_cast<std::uint32_t>((sum + p.batch / 2) / p.batch);
  };
  p.query_tokens = mean(p.total_query_tokens);
  p.length = mean(p.total_keys);
  p.logit_rows = static_cast<std::uint32_t>(logit_rows_.size());
  return p;
}

std::int64_t Loop::length(std::int32_t slot) const {
  return lengths_.at(static_cast<std::size_t>(slot));
}

void Loop::rewind(std::int32_t slot, std::int64_t length) {
  auto& held = lengths_.at(static_cast<std::size_t>(slot));
  if (length < 0 || length > held) {
    throw InputError(
        fmt::format("Slot {} holds {} tokens: it cannot be rewound to {}.", slot, held, length));
  }
  held = length;
}

}  // namespace rooftop::inference
