#include "profiler/roofline/counters.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rooftop {
namespace {

struct Metric {
  std::string_view name;
  CounterMeaning meaning;
};

// Names of NVIDIA's metrics (CUPTI 13); GB20x spells its DRAM counters with "op". CUDA-core
// operations count add and multiply as one and a fused multiply-add as two; the half-precision
// instructions work on pairs, as Nsight Compute weighs them, and so do the single-precision
// ones of data-centre Blackwell ("fadd2").
constexpr std::array<Metric, 22> kMetrics = {{
    {"dram__bytes_read.sum", {CounterFigure::kDramRead, 1}},
    {"dram__bytes_op_read.sum", {CounterFigure::kDramRead, 1}},
    {"dram__bytes_write.sum", {CounterFigure::kDramWritten, 1}},
    {"dram__bytes_op_write.sum", {CounterFigure::kDramWritten, 1}},
    {"dram__bytes.sum", {CounterFigure::kDram, 1}},
    {"lts__t_bytes.sum", {CounterFigure::kL2, 1}},
    {"smsp__sass_thread_inst_executed_op_fadd_pred_on.sum", {CounterFigure::kFp32Flops, 1}},
    {"smsp__sass_thread_inst_executed_op_fmul_pred_on.sum", {CounterFigure::kFp32Flops, 1}},
    {"smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", {CounterFigure::kFp32Flops, 2}},
    {"smsp__sass_thread_inst_executed_op_fadd2_pred_on.sum", {CounterFigure::kFp32Flops, 2}},
    {"smsp__sass_thread_inst_executed_op_fmul2_pred_on.sum", {CounterFigure::kFp32Flops, 2}},
    {"smsp__sass_thread_inst_executed_op_ffma2_pred_on.sum", {CounterFigure::kFp32Flops, 4}},
    {"smsp__sass_thread_inst_executed_op_hadd_pred_on.sum", {CounterFigure::kFp16Flops, 2}},
    {"smsp__sass_thread_inst_executed_op_hmul_pred_on.sum", {CounterFigure::kFp16Flops, 2}},
    {"smsp__sass_thread_inst_executed_op_hfma_pred_on.sum", {CounterFigure::kFp16Flops, 4}},
    {"smsp__sass_thread_inst_executed_op_dadd_pred_on.sum", {CounterFigure::kFp64Flops, 1}},
    {"smsp__sass_thread_inst_executed_op_dmul_pred_on.sum", {CounterFigure::kFp64Flops, 1}},
    {"smsp__sass_thread_inst_executed_op_dfma_pred_on.sum", {CounterFigure::kFp64Flops, 2}},
    {"sm__pipe_tensor_cycles_active.sum", {CounterFigure::kTensorCycles, 1}},
    {"sm__cycles_elapsed.sum", {CounterFigure::kSmCycles, 1}},
    {kTimeErrorMetric, {CounterFigure::kTimeError, 1}},
    {kBasisMetric, {CounterFigure::kBasis, 1}},
}};

// Tensor-core operations come split by instruction and type; each counts operations already.
constexpr std::string_view kTensorPrefix = "sm__ops_path_tensor_";
constexpr std::string_view kSum = ".sum";

Figure plus(const Figure& a, const Figure& b) {
  if (!a.present()) return b;
  if (!b.present()) return a;
  return {.value = a.value + b.value, .source = weakest(a.source, b.source)};
}

}  // namespace

std::optional<CounterMeaning> meaning_of(std::string_view metric) {
  const auto it = std::find_if(kMetrics.begin(), kMetrics.end(),
                               [&](const Metric& m) { return m.name == metric; });
  if (it != kMetrics.end()) return it->meaning;
  if (metric.starts_with(kTensorPrefix) && metric.ends_with(kSum)) {
    return CounterMeaning{CounterFigure::kTensorFlops, 1};
  }
  return std::nullopt;
}

void LaunchCounters::add(CounterMeaning meaning, double value, Provenance source) {
  if (!std::isfinite(value) || value < 0 || source >= Provenance::kAbsent) return;
  Figure& figure = figures_[static_cast<int>(meaning.figure)];
  figure = plus(figure, {.value = value * meaning.weight, .source = source});
}

void LaunchCounters::fill(const LaunchCounters& weaker) {
  for (int i = 0; i < kCounterFigures; ++i) {
    if (!figures_[i].present()) figures_[i] = weaker.figures_[i];
  }
}

Figure LaunchCounters::dram_bytes() const {
  const Figure read = get(CounterFigure::kDramRead);
  const Figure written = get(CounterFigure::kDramWritten);
  return read.present() && written.present() ? plus(read, written) : get(CounterFigure::kDram);
}

Figure LaunchCounters::flops() const {
  Figure sum;
  for (const CounterFigure kind : {CounterFigure::kTensorFlops, CounterFigure::kFp32Flops,
                                   CounterFigure::kFp16Flops, CounterFigure::kFp64Flops}) {
    sum = plus(sum, get(kind));
  }
  return sum.value > 0 ? sum : Figure{};
}

}  // namespace rooftop
