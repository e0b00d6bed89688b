#include "profiler/roofline/kernels_csv.h"

#include <fmt/core.h>

#include <array>
#include <optional>
#include <ostream>

#include "profiler/roofline/csv.h"
#include "profiler/roofline/launch_figures.h"
#include "profiler/roofline/launch_stream.h"
#include "profiler/roofline/report.h"

namespace rooftop {
namespace {

constexpr char kHeader[] =
    "step,rank,stream,graph_node,name,grid,block,operator,phase,layer,rule,start_ns,duration_ns,"
    "tensor_flops,fp32_flops,fp16_flops,fp64_flops,dram_read_bytes,dram_write_bytes,l2_bytes,"
    "flops_source,bytes_source,time_source\n";

std::string extent(const std::array<std::uint32_t, 3>& e) {
  return e[0] == 0 ? "" : fmt::format("{}x{}x{}", e[0], e[1], e[2]);
}

bool is_product(Operator op) {
  return family_of(op) != SeriesFamily::kNone || op == Operator::kOProj || op == Operator::kLmHead;
}

struct FlopColumns {
  Figure tensor;
  Figure fp32;
  Figure fp16;
  Figure fp64;
  Provenance source = Provenance::kAbsent;
};

// Counted FLOPs by kind of instruction. Modelled ones stand where such work is done: products of
// 16-bit types in tensor instructions, everything else in fp32.
FlopColumns flop_columns(const Launch& launch, const LaunchFigures& figures, const Meta& meta) {
  FlopColumns columns;
  if (figures.hardware_flops.present()) {
    columns.tensor = launch.counters.get(CounterFigure::kTensorFlops);
    columns.fp32 = launch.counters.get(CounterFigure::kFp32Flops);
    columns.fp16 = launch.counters.get(CounterFigure::kFp16Flops);
    columns.fp64 = launch.counters.get(CounterFigure::kFp64Flops);
    columns.source = figures.hardware_flops.source;
    return columns;
  }
  const bool tensor = is_product(launch.classification.op) && meta.dtype != "f32";
  (tensor ? columns.tensor : columns.fp32) = figures.model_flops;
  columns.source = figures.model_flops.source;
  return columns;
}

class KernelWriter {
 public:
  KernelWriter(const Meta& meta, const StepTable& steps, std::ostream& out)
      : meta_(meta), steps_(steps), row_(out) {}

  void add(const Launch& launch) {
    const Classification& c = launch.classification;
    const Step* step = c.step ? &steps_.steps()[*c.step] : nullptr;
    if (step != nullptr && step->warmup) return;
    const KernelRecord& record = launch.record;
    optional_integer(step != nullptr ? std::optional(step->number) : std::nullopt);
    row_.integer(meta_.rank).integer(record.stream);
    row_.text(record.graph_node == 0 ? "" : fmt::format("{}", record.graph_node));
    row_.text(launch.name).text(extent(record.grid)).text(extent(record.block));
    row_.text(name_of(c.op)).text(step != nullptr ? name_of(step->phase) : "");
    optional_integer(c.layer >= 0 ? std::optional(c.layer) : std::nullopt);
    row_.text(c.rule).integer(record.begin.ns);
    // Where counters were read on each launch by itself, only its moment is known.
    const bool timed = record.end > record.begin;
    optional_integer(timed ? std::optional((record.end - record.begin).ns) : std::nullopt);
    write_figures(launch);
    row_.text(timed ? name_of(Provenance::kMeasured) : "").end();
  }

 private:
  void optional_integer(std::optional<std::int64_t> value) {
    value ? row_.integer(*value) : row_.empty();
  }

  void write_figures(const Launch& launch) {
    const LaunchFigures figures = figures_of(launch, meta_, steps_);
    const FlopColumns flops = flop_columns(launch, figures, meta_);
    row_.figure(flops.tensor).figure(flops.fp32).figure(flops.fp16).figure(flops.fp64);
    row_.figure(figures.dram_read_bytes).figure(figures.dram_written_bytes);
    row_.figure(figures.l2_bytes);
    row_.text(name_of(flops.source)).text(name_of(figures.dram_bytes().source));
  }

  const Meta& meta_;
  const StepTable& steps_;
  CsvWriter row_;
};

}  // namespace

void write_kernels_csv(const std::vector<std::string>& paths, const ReportOptions& options,
                       std::ostream& out) {
  out << kHeader;
  for (const std::string& path : expand_traces(paths)) {
    const TraceSurvey survey =
        survey_trace(path, options.rules, {.salvage = options.salvage, .model = options.model});
    trace::Reader reader(path, {.salvage = options.salvage});
    KernelWriter writer(survey.meta, survey.steps, out);
    stream_launches(reader, survey, [&](const Launch& launch) { writer.add(launch); });
  }
}

}  // namespace rooftop
