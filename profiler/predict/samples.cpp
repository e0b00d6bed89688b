#include "profiler/predict/samples.h"

#include <fmt/core.h>

#include <cmath>
#include <fstream>

#include "profiler/core/error.h"
#include "profiler/predict/csv_table.h"
#include "profiler/predict/trace_samples.h"

namespace rooftop::predict {
namespace {

constexpr double kHalf = 2;       // bytes of fp16 and bf16
constexpr double kHeadDim = 128;  // of every model in tables of this form
constexpr double kMicro = 1e-6;

// Rows of a table that says what is measured in these columns.
constexpr std::string_view kLinearColumns[] = {"gpu",      "model",     "hidden",     "heads",
                                               "kv_heads", "ffn",       "tp",         "tokens",
                                               "qkv_us",   "o_proj_us", "gate_up_us", "down_us"};
constexpr std::string_view kAttentionColumns[] = {"gpu",   "model", "tp",       "phase",
                                                  "batch", "chunk", "kv_cache", "time_us"};

SampleOrigin origin_of(const CsvRow& row, const DeviceTable& devices) {
  SampleOrigin origin;
  origin.gpu = row.text("gpu");
  origin.model = row.text("model");
  origin.shards = static_cast<int>(row.number("tp", 1, 1024));
  origin.figures = figures_of(device_of_source(devices, origin.gpu), "f16");
  return origin;
}

struct TableShape {
  double hidden, heads, kv_heads, ffn, tokens;
};

void add_gemms(Samples& samples, const CsvRow& row, const SampleOrigin& origin,
               const TableShape& s) {
  const double shards = origin.shards;
  const double attention = 2 * (s.heads + s.kv_heads) * kHeadDim;
  const double layer_bytes = kHalf * s.hidden * (attention + 3 * s.ffn) / shards;
  const auto add = [&](Operator op, const char* column, double n, double k) {
    const auto seconds = row.optional_number(column);
    if (!seconds) return;
    GemmSample sample{
        .origin = origin, .shape = {.m = s.tokens, .n = n, .k = k}, .seconds = *seconds * kMicro};
    sample.origin.op = op;
    // The operators of one layer are measured one after another, again and again.
    sample.shape.reuse_bytes = layer_bytes;
    sample.shape.gated = op == Operator::kDown;
    samples.gemms.push_back(sample);
  };
  add(Operator::kQkv, "qkv_us", (s.heads + 2 * s.kv_heads) * kHeadDim / shards, s.hidden);
  add(Operator::kOProj, "o_proj_us", s.hidden, s.heads * kHeadDim / shards);
  add(Operator::kGateUp, "gate_up_us", 2 * s.ffn / shards, s.hidden);
  add(Operator::kDown, "down_us", s.hidden, s.ffn / shards);
}

void add_streams(Samples& samples, const CsvRow& row, const SampleOrigin& origin,
                 const TableShape& s) {
  const double shards = origin.shards;
  const auto add = [&](Operator op, const char* column, double elements) {
    const auto seconds = row.optional_number(column);
    if (!seconds) return;
    samples.streams.push_back({.origin = origin,
                               .rows = s.tokens,
                               .bytes = kHalf * elements,
                               .seconds = *seconds * kMicro});
    samples.streams.back().origin.op = op;
  };
  add(Operator::kActivation, "activation_us", 3 * s.tokens * s.ffn / shards);
  add(Operator::kRope, "rope_us", 2 * s.tokens * (s.heads + s.kv_heads) * kHeadDim / shards);
  add(Operator::kNorm, "norm_us", 2 * s.tokens * s.hidden);
  add(Operator::kResidual, "residual_us", 3 * s.tokens * s.hidden);
}

void add_linear_row(Samples& samples, const CsvRow& row, const DeviceTable& devices) {
  constexpr double kMost = 1e9;
  const SampleOrigin origin = origin_of(row, devices);
  const TableShape shape{.hidden = row.number("hidden", 1, kMost),
                         .heads = row.number("heads", 1, kMost),
                         .kv_heads = row.number("kv_heads", 1, kMost),
                         .ffn = row.number("ffn", 1, kMost),
                         .tokens = row.number("tokens", 1, kMost)};
  add_gemms(samples, row, origin, shape);
  add_streams(samples, row, origin, shape);
}

void add_attention_row(Samples& samples, const CsvRow& row, const DeviceTable& devices) {
  constexpr double kMost = 1e9;
  const std::string phase = row.text("phase");
  if (phase != "decode" && phase != "prefill") row.fail("phase", "decode or prefill");
  AttentionSample sample;
  sample.origin = origin_of(row, devices);
  sample.origin.op = Operator::kQkPv;
  sample.phase = phase == "decode" ? Phase::kAr : Phase::kInit;
  // The tables of this form are of Llama-2-7B: 32 heads, divided over the shards.
  const double heads = 32.0 / sample.origin.shards;
  const double query_tokens = sample.phase == Phase::kAr ? 1 : row.number("chunk", 1, kMost);
  sample.shape = {.batch = row.number("batch", 1, kMost),
                  .heads = heads,
                  .kv_heads = heads,
                  .head_dim = kHeadDim,
                  .query_tokens = query_tokens,
                  .length = query_tokens + row.number("kv_cache", 0, kMost)};
  sample.seconds = row.number("time_us", 1e-3, kMost) * kMicro;
  samples.attention.push_back(sample);
}

}  // namespace

const DeviceSpec& device_of_source(const DeviceTable& devices, const std::string& gpu) {
  if (gpu == "a100") return devices.require("a100-80gb-pcie");
  if (gpu == "h100") return devices.require("h100-sxm");
  return devices.require(gpu);
}

GpuFigures figures_of(const DeviceSpec& device, std::string_view dtype) {
  const Peak* peak = device.peak(dtype);
  if (peak == nullptr) {
    throw InputError(fmt::format("the device table has no {} peak for '{}': choose another --dtype",
                                 dtype, device.id));
  }
  return {.bandwidth = device.bandwidth,
          .peak = peak->flops,
          .sm_count = device.sm_count > 0 ? device.sm_count : 1.0,
          .l2_bytes = static_cast<double>(device.l2_bytes)};
}

bool is_table_of_times(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char start[64] = {};
  in.read(start, sizeof start);
  return std::string_view(start, static_cast<std::size_t>(in.gcount())).starts_with("gpu,model,");
}

void add_samples(Samples& samples, const std::string& path, const DeviceTable& devices) {
  if (path.ends_with(".csv") && !is_table_of_times(path)) {
    throw InputError(fmt::format(
        "{}: this is no table of operator times that begins with the columns gpu,model: see "
        "docs/predict.md",
        path));
  }
  if (!is_table_of_times(path)) {
    add_trace_samples(samples, path, devices);
    return;
  }
  const CsvTable table(path);
  if (table.has(kLinearColumns)) {
    for (const CsvRow& row : table.rows()) add_linear_row(samples, row, devices);
  } else if (table.has(kAttentionColumns)) {
    for (const CsvRow& row : table.rows()) add_attention_row(samples, row, devices);
  } else {
    throw InputError(
        fmt::format("{}: this table has neither the columns of linear layers nor those of "
                    "attention: see docs/predict.md for both",
                    path));
  }
}

}  // namespace rooftop::predict
