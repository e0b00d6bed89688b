#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command_line/command_line.h"
#include "tools/commands.h"

namespace rooftop::tools {
namespace {

template <typename Options>
void add_classify_options(CLI::App& command, Options& o) {
  command.add_option("--model", o.model,
                     "Model of a recording that does not name it: a named shape (llama-7b), a "
                     "config.json, or a folder with one");
  command.add_option("--rules", o.rules,
                     "Rules of your own for kernels' names, as docs/classification.md says");
}

}  // namespace

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

void add_explain(CLI::App& app, int& status) {
  const auto o = std::make_shared<ExplainOptions>();
  CLI::App* c = app.add_subcommand("explain", "Why each kernel got its operator");
  c->add_option("traces", o->inputs, "Traces, other profilers' recordings, or folders of them")
      ->required();
  add_classify_options(*c, *o);
  auto* const all = c->add_flag("--unclassified", o->unclassified,
                                "Only what nothing decides, with the rule that would");
  c->add_option("--kernel", o->kernel, "One launch by its number: everything that is known of it")
      ->check(CLI::PositiveNumber)
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

}  // namespace rooftop::tools
