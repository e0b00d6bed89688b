// The command line of `rooftop`. CLI11 is included here only: it costs seconds of compile time per
// file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>

#include "profiler/core/error.h"
#include "profiler/core/version.h"
#include "tools/commands.h"

namespace {

using namespace rooftop::tools;

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
  command.add_flag("!--no-roofs", engine.measure_roofs, "Do not measure this machine's roofs");
  command.add_option("--graphs", engine.graphs, "on or off: decode steps as CUDA graphs")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command.add_flag("!--no-scopes", engine.scopes,
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

void add_grid_options(CLI::App& command, PredictOptions& o) {
  command.add_option("--batches", o.batches, "Batch sizes, as 1,4,16")->delimiter(',');
  command.add_option("--lengths", o.lengths, "Lengths in tokens, as 128,512")->delimiter(',');
  command
      .add_option("--grid", o.grid, "paper: batches 1 to 64, lengths 128 to 8192, in powers of two")
      ->check(CLI::IsMember({"paper"}));
  command.add_option("--candidates", o.candidates, "Rows per sequence in decode cells, as 1,16,64")
      ->delimiter(',');
  command.add_option("--phases", o.phases, "init, ar or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"init", "ar"}));
}

void add_predict(CLI::App& app, int& status) {
  const auto o = std::make_shared<PredictOptions>();
  CLI::App* c = app.add_subcommand("predict", "A sweep on a GPU that nobody has to own");
  c->add_option("--model", o->model,
                "A named shape (llama-13b), a folder with a config.json, or a GGUF file");
  c->add_option("--gpu", o->gpu, "A device of the table (`rooftop gpus` lists them)");
  c->add_option("--devices", o->devices_file,
                "A device table of your own, in protobuf text format");
  c->add_option("--dtype", o->dtype, "bf16, f16 or f32")
      ->check(CLI::IsMember({"bf16", "f16", "f32"}))
      ->capture_default_str();
  c->add_option("--attention", o->attention, "flash or unfused")
      ->check(CLI::IsMember({"flash", "unfused"}))
      ->capture_default_str();
  c->add_option("--linear", o->linear,
                "fused: QKV as one product, gate and up as one with SwiGLU; or separate")
      ->check(CLI::IsMember({"fused", "separate"}))
      ->capture_default_str();
  c->add_flag("--causal", o->causal, "Attention skips what the causal mask removes");
  c->add_flag("--ideal", o->ideal, "On the roof: the least time that FLOPs and bytes allow");
  c->add_option("--layers", o->layers, "Only the first N layers")->check(CLI::PositiveNumber);
  add_grid_options(*c, *o);
  c->add_option("--calibrate", o->calibrate,
                "Measured times to fit the model to: traces, tables, or saved coefficients")
      ->allow_extra_args(false);
  c->add_option("--save-coefficients", o->save_coefficients, "Write the fitted coefficients");
  c->add_flag("--cross-validate", o->cross_validate,
              "Print how well the model predicts measurements that it was not fitted to");
  c->add_option("-o,--output", o->output, "NAME.rtrace: the trace; else a folder for the report");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Examples:\n"
      "  rooftop predict --model llama-13b --gpu a6000-paper --grid paper -o p.rtrace\n"
      "  rooftop predict --model llama-3-8b --gpu h100-sxm --batches 1,16 --lengths 1024\n"
      "  rooftop predict --calibrate times.csv --cross-validate\n");
  c->callback([o, &status] { status = predict_command(*o); });
}

void add_reproduce(CLI::App& app, int& status) {
  const auto o = std::make_shared<ReproduceOptions>();
  CLI::App* c = app.add_subcommand("reproduce", "The roofline charts of a paper, all of them");
  c->add_option("paper", o->what, "medusa: arXiv 2401.10774, figures 9 to 17")
      ->required()
      ->check(CLI::IsMember({"medusa"}));
  c->add_option("--attention", o->attention, "unfused (the paper's) or flash")
      ->check(CLI::IsMember({"flash", "unfused"}))
      ->capture_default_str();
  c->add_option("--linear", o->linear, "separate (the paper's) or fused")
      ->check(CLI::IsMember({"fused", "separate"}))
      ->capture_default_str();
  c->add_flag("--causal", o->causal, "Attention skips what the causal mask removes");
  c->add_flag("--ideal", o->ideal, "On the roof: the least time that FLOPs and bytes allow");
  c->add_option(
       "--measured", o->measured,
       "Also draw measured points: a trace, a table of operator times, or a folder of them")
      ->allow_extra_args(false);
  c->add_option("--calibrate", o->calibrate, "Measured times to fit the performance model to")
      ->allow_extra_args(false);
  c->add_option("--devices", o->devices_file,
                "A device table of your own, in protobuf text format");
  c->add_option("-o,--output", o->output, "Folder for the charts, the page and the data")
      ->required();
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer("Example:\n  rooftop reproduce medusa -o out/\n");
  c->callback([o, &status] { status = reproduce_command(*o); });
}

void add_gpus(CLI::App& app, int& status) {
  const auto o = std::make_shared<GpusOptions>();
  CLI::App* c = app.add_subcommand("gpus", "The device table: bandwidth and peaks, with sources");
  c->add_option("id", o->id, "One device, with the source of every figure");
  c->add_option("--devices", o->devices_file,
                "A device table of your own, in protobuf text format");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer("Example:\n  rooftop gpus h100-sxm\n");
  c->callback([o, &status] { status = gpus_command(*o); });
}

void add_import(CLI::App& app, int& status) {
  const auto o = std::make_shared<ImportCommandOptions>();
  CLI::App* c = app.add_subcommand("import", "What other profilers recorded, as traces");
  c->add_option("files", o->inputs,
                "PyTorch profiler traces (.json, .json.gz), SQLite exports of Nsight Systems, CSV "
                "files of Nsight Compute, or folders of them")
      ->required();
  c->add_option("-o,--output", o->output,
                "NAME.rtrace: one trace, counters joined with their timeline; else a folder for a "
                "trace each")
      ->required();
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Examples:\n"
      "  rooftop import trace.json.gz -o t.rtrace\n"
      "  rooftop import timeline.sqlite counters.csv -o joined.rtrace\n"
      "  rooftop import ranks/ -o traces/\n");
  c->callback([o, &status] { status = import_command(*o); });
}

template <typename Options>
void add_classify_options(CLI::App& command, Options& o) {
  command.add_option("--model", o.model,
                     "Model of a recording that does not name it: a named shape (llama-7b), a "
                     "config.json, or a folder with one");
  command.add_option("--rules", o.rules,
                     "Rules of your own for kernels' names, as docs/classification.md says");
}

void add_explain(CLI::App& app, int& status) {
  const auto o = std::make_shared<ExplainOptions>();
  CLI::App* c = app.add_subcommand("explain", "Why each kernel got its operator");
  c->add_option("traces", o->inputs, "Traces, other profilers' recordings, or folders of them")
      ->required();
  add_classify_options(*c, *o);
  auto* const all = c->add_flag("--unclassified", o->unclassified,
                                "Only what nothing decides, with the rule that would");
  c->add_option("--kernel", o->kernel, "One launch by its number: everything that is known of it")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 62))
      ->excludes(all);
  c->add_flag("--salvage", o->salvage, "Skip damaged parts of a trace");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Examples:\n"
      "  rooftop explain trace.json.gz --unclassified\n"
      "  rooftop explain t.rtrace --kernel 120 --rules mine.txt\n");
  c->callback([o, &status] { status = explain_command(*o); });
}

void add_report(CLI::App& app, int& status) {
  const auto o = std::make_shared<ReportCommandOptions>();
  CLI::App* c = app.add_subcommand("report", "Table, charts and data of one or more traces");
  c->add_option("traces", o->inputs,
                "Traces, other profilers' recordings, or folders of them (ranks, hosts)")
      ->required();
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
  add_classify_options(*c, *o);
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

void add_metrics(CLI::App& app, int& status) {
  const auto o = std::make_shared<MetricsOptions>();
  CLI::App* c = app.add_subcommand("metrics", "What is counted on a GPU, and in how many passes");
  c->add_option("--chip", o->chip, "A chip (GH100) or a device of `rooftop gpus` (h100-sxm)");
  c->add_option("--types", o->types, "Tensor-core types to count first, as bf16,fp8")
      ->delimiter(',');
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer(
      "Without --chip: this machine's GPUs, or where it has none the chips that can be planned "
      "for.\n"
      "Example:\n  rooftop metrics --chip GH100 --types bf16,fp8\n");
  c->callback([o, &status] { status = metrics_command(*o); });
}

void add_attach(CLI::App& app, int& status) {
  const auto o = std::make_shared<AttachOptions>();
  CLI::App* c = app.add_subcommand("attach", "Run a program of any kind and record what it does");
  c->add_option("-o,--output", o->output,
                "NAME.rtrace: the trace; else a folder for the traces and the report");
  c->add_option(
      "--mode", o->mode,
      "auto, timeline, sampling, counters, scopes (no GPU) or cpu (an engine on the CPU)");
  c->add_option("--overhead", o->overhead,
                "Share of the run's time that recording may cost, as 1%");
  c->add_option("--max-size", o->max_size, "Stop recording at this size of a trace, as 2G");
  c->add_option("command", o->command, "The program and its arguments, after --")->required();
  c->footer(
      "Examples:\n"
      "  rooftop attach -- python3 generate.py --model llama\n"
      "  rooftop attach -o out/ --mode timeline -- ./llama-cli -m model.gguf -p Hello\n");
  c->callback([o, &status] { status = attach_command(*o); });
}

void add_doctor(CLI::App& app, int& status) {
  const auto o = std::make_shared<DoctorOptions>();
  CLI::App* c = app.add_subcommand(
      "doctor", "What can be recorded on this machine, and what to do about the rest");
  c->add_flag("--json", o->json, "Print one JSON document");
  c->footer("Exit status: 0, or 1 where nothing of a GPU can be recorded.\n");
  c->callback([o, &status] { status = doctor_command(*o); });
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
  add_predict(app, status);
  add_reproduce(app, status);
  add_gpus(app, status);
  add_import(app, status);
  add_explain(app, status);
  add_report(app, status);
  add_roofs(app, status);
  add_metrics(app, status);
  add_attach(app, status);
  add_doctor(app, status);
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
