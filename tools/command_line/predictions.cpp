#include <CLI/CLI.hpp>
#include <memory>

#include "tools/command_line/command_line.h"
#include "tools/commands.h"

namespace rooftop::tools {
namespace {

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

}  // namespace

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

}  // namespace rooftop::tools
