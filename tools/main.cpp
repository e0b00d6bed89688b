// The command line of `rooftop`. CLI11 is included here only: it costs seconds of compile time per
// file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>

#include "profiler/core/error.h"
#include "profiler/core/version.h"
#include "tools/commands.h"

namespace {

using namespace rooftop::tools;

void add_engine_options(CLI::App& command, EngineChoice& engine) {
  command
      .add_option(
          "--model", engine.model,
          "A GGUF file, a Hugging Face folder, or a named shape with random weights (llama-7b)")
      ->required();
  command.add_option("--device", engine.device, "cpu, cuda or cuda:N (default: the best usable)");
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
  command.add_flag("!--no-roofs", engine.measure_roofs, "Do not measure this machine's roofs");
}

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

void add_report(CLI::App& app, int& status) {
  const auto o = std::make_shared<ReportCommandOptions>();
  CLI::App* c = app.add_subcommand("report", "Table, charts and data of one or more traces");
  c->add_option("traces", o->inputs, "Trace files, or folders of them (ranks, hosts)")->required();
  c->add_option("-o,--output", o->output, "Folder for report.html, the pictures and the data");
  c->add_option("--roofs", o->roofs, "auto (measured where there are any), measured or datasheet")
      ->check(CLI::IsMember({"auto", "measured", "datasheet"}))
      ->capture_default_str();
  c->add_option("--flops", o->flops, "What is plotted: model or hardware FLOPs")
      ->check(CLI::IsMember({"model", "hardware"}))
      ->capture_default_str();
  c->add_option("--device", o->device, "Draw the roofs of this device of the table (a6000)");
  c->add_option("--devices", o->devices_file,
                "A device table of your own, in protobuf text format");
  c->add_option("--top", o->top, "Print the N costliest launches, too")
      ->check(CLI::Range(1, 1'000'000));
  c->add_flag("--salvage", o->salvage, "Skip damaged parts of a trace, and say what was lost");
  c->add_flag("--json", o->json, "Print the report as one JSON document");
  c->footer("Example:\n  rooftop report t.rtrace -o out/\n");
  c->callback([o, &status] { status = report_command(*o); });
}

void add_roofs(CLI::App& app, int& status) {
  const auto o = std::make_shared<RoofsOptions>();
  CLI::App* c = app.add_subcommand("roofs", "Measure this machine's bandwidth and compute peaks");
  c->add_option("--device", o->device, "cpu, cuda or cuda:N")->capture_default_str();
  c->add_option("--threads", o->threads, "CPU threads (default: all cores)")
      ->check(CLI::PositiveNumber);
  c->add_option("--seconds", o->seconds, "Time to spend")
      ->check(CLI::Range(0.5, 600.0))
      ->capture_default_str();
  c->add_flag("--fresh", o->fresh, "Measure anew although there is a cached result");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer("Example:\n  rooftop roofs --json\n");
  c->callback([o, &status] { status = roofs_command(*o); });
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Rooftop: how far every operator of an LLM sits below the roof of its machine",
               "rooftop"};
  app.set_version_flag("--version", rooftop::kVersion);
  app.require_subcommand(1);
  app.footer(
      "`rooftop COMMAND --help` shows a command's options. Exit status: 0, 1 a gate failed, 2 "
      "usage or input error.");
  int status = 0;
  add_run(app, status);
  add_sweep(app, status);
  add_report(app, status);
  add_roofs(app, status);
  add_tokenize(app, status);
  try {
    app.parse(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw rooftop::InputError("standard output cannot be written: is the disk full?");
    }
    return status;
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "rooftop: {} (see `rooftop --help`)\n", e.what());
  } catch (const rooftop::InputError& e) {
    fmt::print(stderr, "rooftop: {}\n", e.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "rooftop: not enough memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "rooftop: {}\n", e.what());
  }
  return 2;
}
