#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command_line/command_line.h"
#include "tools/commands.h"

namespace rooftop::tools {

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

}  // namespace rooftop::tools
