#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "tools/command_line/command_line.h"
#include "tools/commands.h"

namespace rooftop::tools {
namespace {

// "1%" or "0.01" as a fraction.
CLI::Validator percentage() {
  return {[](std::string& text) -> std::string {
            const bool percent = text.ends_with('%');
            const std::string number = percent ? text.substr(0, text.size() - 1) : text;
            double value = 0;
            const auto [rest, error] =
                std::from_chars(number.data(), number.data() + number.size(), value);
            if (percent) value /= 100;
            if (error != std::errc{} || rest != number.data() + number.size() || !(value > 0) ||
                value > 1)
              return "'" + text + "' is no share of the run's time: write 1%";
            text = fmt::format("{}", value);
            return {};
          },
          "SHARE"};
}

void add_engine_options(CLI::App& command, EngineChoice& engine) {
  command
      .add_option(
          "--model", engine.model,
          "A GGUF file, a Hugging Face folder, or a named shape with random weights (llama-7b)")
      ->required();
  command.add_option("--device", engine.device,
                     "cpu, cuda or cuda:N (default: cuda where it can be used)");
  command
      .add_option("--dtype", engine.dtype,
                  "f32, bf16 or f16 (default: the checkpoint's where it is fast)")
      ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  command.add_option("--attention", engine.attention, "flash or unfused")
      ->check(CLI::IsMember({"flash", "unfused"}))
      ->capture_default_str();
  command.add_option("--layers", engine.layers, "Run only the first N layers")
      ->check(CLI::PositiveNumber);
  command.add_option("--threads", engine.threads, "CPU threads (default: all cores)")
      ->check(CLI::PositiveNumber);
  command.add_option("--seed", engine.seed, "Seed of random weights, random tokens and sampling");
  command.add_flag_callback(
      "--no-roofs", [&engine] { engine.measure_roofs = false; },
      "Do not measure this machine's roofs");
  command.add_option("--graphs", engine.graphs, "on or off: decode steps as CUDA graphs")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command.add_flag_callback(
      "--no-scopes", [&engine] { engine.scopes = false; },
      "Open no NVTX scopes and record nothing: what they cost is the difference");
  command
      .add_option(
          "--capture", engine.capture,
          "On a GPU: auto (the timeline, then hardware counters in a second run), timeline, "
          "counters, sampling (timeline and periodic counters) or scopes")
      ->check(CLI::IsMember({"auto", "timeline", "counters", "sampling", "scopes"}))
      ->capture_default_str();
  command
      .add_option("--overhead", engine.overhead,
                  "Most that recording may cost, as 1%: steps are left out to keep within it")
      ->transform(percentage());
  command.add_flag("--replay", engine.replay,
                   "Also read counters that need several passes, by replaying every kernel");
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  const auto o = std::make_shared<RunOptions>();
  CLI::App* c = app.add_subcommand("run", "Profile the built-in engine while it generates text");
  add_engine_options(*c, o->engine);
  c->add_option("--prompt", o->prompts, "Text to continue; repeat it for a batch")
      ->allow_extra_args(false);  // else CLI11 reads "[INST] a, b [/INST]" as a list
  c->add_option("--prompt-tokens", o->prompt_tokens,
                "Token ids to continue, as 1,2,3; repeat it for a batch")
      ->allow_extra_args(false);
  c->add_option("--batch", o->batch, "Copies of the prompt that are run as one batch")
      ->check(CLI::Range(1, 65536));
  c->add_option("--max-tokens", o->max_tokens, "Tokens to generate per sequence")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  c->add_option("--temperature", o->temperature, "0 is greedy")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  c->add_option("--top-p", o->top_p, "Nucleus sampling")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  c->add_flag("--ignore-eos", o->ignore_eos, "Go on after an end-of-sequence token");
  c->add_option("--candidates", o->candidates,
                "Rows per sequence in a decode step: speculation by prompt lookup")
      ->check(CLI::Range(1, 1024));
  c->add_flag("--print-tokens", o->print_tokens, "Print the generated ids as `tokens: 1,2,3`");
  c->add_option("--logits", o->logits, "Write the logits of every generated token to a .npy file");
  c->add_option("-o,--output", o->output, "NAME.rtrace: the trace; else a folder for the report");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Examples:\n"
      "  rooftop run --model model.gguf --prompt \"Once upon a time\" --max-tokens 64 -o out/\n"
      "  rooftop run --model llama-7b --layers 2 --prompt-tokens 1,2,3,4 --ignore-eos -o "
      "t.rtrace\n");
  c->callback([o, &status] { status = run_command(*o); });
}

void add_sweep(CLI::App& app, int& status) {
  const auto o = std::make_shared<SweepOptions>();
  CLI::App* c =
      app.add_subcommand("sweep", "Profile a grid of batch sizes and lengths, prefill and decode");
  add_engine_options(*c, o->engine);
  c->add_option("--batches", o->batches, "Batch sizes, as 1,4,16")->delimiter(',');
  c->add_option("--lengths", o->lengths, "Lengths in tokens, as 128,512")->delimiter(',');
  c->add_option("--grid", o->grid, "paper: batches 1 to 64, lengths 128 to 8192, in powers of two")
      ->check(CLI::IsMember({"paper"}));
  c->add_option("--candidates", o->candidates, "Rows per sequence in decode cells, as 1,16,64")
      ->delimiter(',');
  c->add_option("--phases", o->phases, "init, ar or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"init", "ar"}));
  c->add_option("--repeats", o->repeats, "Measured steps per cell")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  c->add_option("--max-cell-seconds", o->max_cell_seconds,
                "Skip cells that would take longer than this a step")
      ->check(CLI::PositiveNumber);
  c->add_option("-o,--output", o->output, "NAME.rtrace: the trace; else a folder for the report");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Example:\n"
      "  rooftop sweep --model smollm-135m --batches 1,4 --lengths 128,512 -o s.rtrace\n");
  c->callback([o, &status] { status = sweep_command(*o); });
}

void add_tokenize(CLI::App& app, int& status) {
  const auto o = std::make_shared<TokenizeOptions>();
  CLI::App* c = app.add_subcommand("tokenize", "Token ids of the text on standard input");
  c->add_option("--model", o->model, "A GGUF file or a Hugging Face folder")->required();
  c->add_flag("--json", o->json, "Print {\"tokens\": [..]}");
  c->footer(
      "Example:\n  echo -n 'Once upon a time' | rooftop tokenize --model model.gguf --json\n");
  c->callback([o, &status] { status = tokenize_command(*o); });
}

}  // namespace rooftop::tools
