#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tools/commands.h"
#include "tools/device_choice.h"
#include "tools/engine_setup.h"
#include "tools/model_choice.h"
#include "tools/npy.h"
#include "tools/progress.h"
#include "tools/prompts.h"
#include "tools/recording.h"
#include "tools/run_again.h"

namespace rooftop::tools {
namespace {

using inference::BackendOptions;
using inference::Generated;
using Clock = std::chrono::steady_clock;

std::int64_t longest(const Prompts& prompts) {
  std::size_t most = 0;
  for (const auto& ids : prompts.tokens) most = std::max(most, ids.size());
  return static_cast<std::int64_t>(most);
}

// Capacities for these prompts; refuses what the model's context cannot hold.
BackendOptions capacity(BackendOptions options, const RunOptions& run, const Prompts& prompts,
                        const inference::Config& config) {
  const std::int64_t prompt = longest(prompts);
  if (config.max_positions > 0 && prompt + run.max_tokens - 1 > config.max_positions) {
    throw InputError(
        fmt::format("{} prompt tokens and {} to generate are more than the {} positions of {}: "
                    "lower --max-tokens",
                    prompt, run.max_tokens, config.max_positions, config.name));
  }
  const auto batch = static_cast<std::int64_t>(prompts.tokens.size());
  std::int64_t rows = 0;
  for (const auto& ids : prompts.tokens) rows += static_cast<std::int64_t>(ids.size());
  options.max_batch = batch;
  options.max_length = prompt + run.max_tokens + run.candidates - 1;
  options.max_rows = std::max(rows, batch * run.candidates);
  options.max_logit_rows = batch * run.candidates;
  return options;
}

// Decode steps before anything is measured: one makes threads, pages and code generation warm; of
// more, the cost of recording a GPU is learned, with some of them left out.
constexpr int kWarmSteps = 1;
constexpr int kWarmGpuSteps = 12;

void warm_up(inference::Loop& loop, const Prompts& prompts, int candidates, int decode_steps) {
  const auto batch = static_cast<std::int64_t>(prompts.tokens.size());
  std::size_t shortest = prompts.tokens.front().size();
  for (const auto& ids : prompts.tokens) shortest = std::min(shortest, ids.size());
  const auto length = static_cast<std::int64_t>(shortest);
  loop.prefill_cell(batch, length, true);
  for (int i = 0; i < decode_steps; ++i)
    loop.decode_cell(batch, length + candidates, candidates, true);
}

// Prints text as it is generated (one sequence), and keeps the logits that are asked for.
class Output {
 public:
  Output(const RunOptions& options, const Prompts& prompts, const inference::Config& config)
      : options_(options), tokenizer_(prompts.tokenizer.get()), sequences_(prompts.tokens.size()) {
    if (!options.logits.empty()) {
      if (sequences_ != 1)
        throw InputError("--logits takes one sequence: give one prompt, without --batch");
      logits_.emplace(options.logits, config.vocab);
    }
    if (tokenizer_ != nullptr) stream_.emplace(*tokenizer_);
  }

  void prompt(const std::vector<std::int32_t>& ids) const {
    if (streams()) print(tokenizer_->decode(ids));
  }
  void token(std::int32_t id) {
    if (streams()) print(stream_->push(id));
  }
  void logits(std::span<const float> row) {
    if (logits_) logits_->add_row(row);
  }

  void finish(const Generated& generated) {
    if (logits_) logits_->finish();
    if (options_.json) return;
    if (streams()) {
      print(stream_->finish());
      fmt::print("\n");
    } else if (tokenizer_ != nullptr) {
      for (std::size_t i = 0; i < sequences_; ++i)
        fmt::print("[{}] {}\n", i, tokenizer_->decode(generated.tokens[i]));
    }
    if (!options_.print_tokens) return;
    for (const auto& ids : generated.tokens) fmt::print("tokens: {}\n", fmt::join(ids, ","));
  }

 private:
  [[nodiscard]] bool streams() const {
    return !options_.json && sequences_ == 1 && tokenizer_ != nullptr;
  }
  static void print(const std::string& text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  }

  const RunOptions& options_;
  const inference::Tokenizer* tokenizer_;
  const std::size_t sequences_;
  std::optional<inference::StreamDecoder> stream_;
  std::optional<NpyWriter> logits_;
};

struct Times {
  double prefill = 0;  // seconds to the first token
  double decode = 0;   // seconds from the first to the last
};

inference::GenerateOptions generate_options(const RunOptions& options) {
  inference::GenerateOptions how;
  how.max_tokens = options.max_tokens;
  how.temperature = options.temperature;
  how.top_p = options.top_p;
  how.seed = options.engine.seed;
  how.ignore_eos = options.ignore_eos;
  how.candidates = options.candidates;
  return how;
}

Generated generate(inference::Loop& loop, const RunOptions& options, const Prompts& prompts,
                   Output& output, Times& times) {
  const inference::GenerateOptions how = generate_options(options);
  const Clock::time_point begin = Clock::now();
  std::optional<Clock::time_point> first;
  output.prompt(prompts.tokens.front());
  const auto on_token = [&](std::int64_t, std::int32_t id) {
    if (!first) first = Clock::now();
    output.token(id);
  };
  Generated generated =
      loop.generate(prompts.tokens, how, on_token,
                    [&](std::int64_t, std::span<const float> row) { output.logits(row); });
  const auto seconds = [](Clock::time_point a, Clock::time_point b) {
    return std::chrono::duration<double>(b - a).count();
  };
  times.prefill = seconds(begin, first.value_or(begin));
  times.decode = seconds(first.value_or(begin), Clock::now());
  return generated;
}

std::size_t count(const std::vector<std::vector<std::int32_t>>& sequences) {
  return std::accumulate(sequences.begin(), sequences.end(), std::size_t{0},
                         [](std::size_t n, const auto& ids) { return n + ids.size(); });
}

void print_speed(const Prompts& prompts, const Generated& generated, const Times& times) {
  const auto per_second = [](std::size_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
  };
  const std::size_t decoded =
      count(generated.tokens) - generated.tokens.size();  // the first ones are the prefill's
  fmt::print(stderr, "prefill {} tokens, {:.0f} tok/s; decode {} tokens, {:.1f} tok/s",
             count(prompts.tokens), per_second(count(prompts.tokens), times.prefill), decoded,
             per_second(decoded, times.decode));
  if (generated.guessed > 0)
    fmt::print(stderr, "; candidates accepted {} of {}", generated.accepted, generated.guessed);
  fmt::print(stderr, "\n");
}

void print_json(const Prompts& prompts, const Generated& generated, const Times& times,
                const std::string& trace) {
  nlohmann::ordered_json json;
  json["sequences"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < generated.tokens.size(); ++i) {
    nlohmann::ordered_json sequence{{"prompt_tokens", prompts.tokens[i]},
                                    {"tokens", generated.tokens[i]}};
    if (prompts.tokenizer) sequence["text"] = prompts.tokenizer->decode(generated.tokens[i]);
    json["sequences"].push_back(sequence);
  }
  json["prefill_s"] = times.prefill;
  json["decode_s"] = times.decode;
  json["decode_steps"] = generated.decode_steps;
  json["candidates_guessed"] = generated.guessed;
  json["candidates_accepted"] = generated.accepted;
  if (!trace.empty()) json["trace"] = trace;
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

int run_command(const RunOptions& given) {
  RunOptions options = given;
  options.engine = decided(given.engine);
  const auto source = open_model_choice(options.engine.model, options.engine.seed);
  const inference::Config& config = source->config();
  const Prompts prompts = read_prompts(options, config);
  const BackendOptions engine =
      capacity(backend_options(options.engine, config), options, prompts, config);

  const Meta meta = engine_meta(options.engine, *source, engine, "run");
  RecordingPlan plan = plan_recording(options.engine, engine, meta, options.output);
  std::optional<Recording> recording;
  if (plan.records) recording.emplace(options.output, meta, std::move(plan.options));
  Output output(options, prompts, config);
  if (recording && options.engine.measure_roofs)
    recording->add_meta(measured_roofs(options.engine));

  Times times;
  Generated generated;
  {  // the engine's memory is free again before a second run needs it
    const auto backend = load_backend(options.engine, *source, engine);
    inference::Loop loop(*backend, config, engine);
    loop.open_scopes(options.engine.scopes);
    const bool cuda = parse_device(options.engine.device).cuda;
    warm_up(loop, prompts, options.candidates, cuda ? kWarmGpuSteps : kWarmSteps);
    generated = generate(loop, options, prompts, output, times);
    for (int i = 1; i < plan.counter_repeats; ++i)
      loop.generate(prompts.tokens, generate_options(options));
  }
  output.finish(generated);
  if (recording) recording->finish();
  if (recording && plan.counters) {
    RunOptions again = options;
    again.engine = *plan.counters;
    recording->add_counters(arguments_of(again));
  }
  if (options.json) {
    if (recording) recording->present(true);
    print_json(prompts, generated, times, recording ? recording->kept_trace() : "");
    return 0;
  }
  print_speed(prompts, generated, times);
  if (recording) recording->present(false);
  return 0;
}

}  // namespace rooftop::tools
