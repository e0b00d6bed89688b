#include "profiler/predict/trace_samples.h"

#include <fmt/core.h>

#include <map>
#include <tuple>

#include "profiler/core/error.h"
#include "profiler/predict/terms.h"
#include "profiler/roofline/launch_stream.h"
#include "profiler/roofline/roof_choice.h"

namespace rooftop::predict {
namespace {

struct Key {
  Operator op = Operator::kUnclassified;
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  auto operator<=>(const Key&) const = default;
};

struct Mean {
  double seconds = 0;
  double count = 0;
  StepShape step;
};

std::map<Key, Mean> read_means(trace::Reader& reader, const StepTable& steps) {
  std::map<Key, Mean> means;
  stream_launches(reader, steps, [&](const Launch& launch) {
    const Classification& c = launch.classification;
    if (!c.step || steps.steps()[*c.step].warmup) return;
    const Step& step = steps.steps()[*c.step];
    Mean& mean = means[{c.op, step.phase, step.batch, step.query_tokens, step.length}];
    mean.seconds += (launch.record.end - launch.record.begin).seconds();
    mean.count += 1;
    mean.step = step.shape;
  });
  return means;
}

GpuFigures figures_of_trace(const Meta& meta, const DeviceTable& devices, const std::string& path) {
  const DeviceInfo info = meta.devices.empty() ? DeviceInfo{} : meta.devices.front();
  const DeviceSpec* spec = devices.find(info.table_id);
  if (spec == nullptr) spec = devices.find(info.name);
  if (spec != nullptr) return figures_of(*spec, meta.dtype);
  const auto roofs = choose_roofs(meta, 0, nullptr, RoofSource::kMeasured);
  if (!roofs) {
    throw InputError(fmt::format(
        "{}: its device '{}' is not in the device table and has no measured roofs: record it "
        "without --no-roofs, or describe the device with --devices",
        path, info.name.substr(0, 80)));
  }
  return {.bandwidth = roofs->bandwidth, .peak = roofs->peak};
}

// Bytes of the weights of all layers, which pass through the caches between two uses of one.
double weight_bytes(const Meta& meta) {
  const ModelShape& m = meta.model;
  const double layer =
      2.0 * m.hidden * m.head_dim * (m.heads + m.kv_heads) + 3.0 * m.hidden * m.ffn;
  return layer * meta.layers_run * meta.weight_bytes;
}

class Converter {
 public:
  Converter(Samples& samples, const Meta& meta, GpuFigures figures)
      : samples_(samples), meta_(meta) {
    origin_.gpu = meta.devices.empty() ? "unknown" : meta.devices.front().name;
    origin_.model = meta.model.name;
    origin_.figures = figures;
  }

  // True where the launch is something the model has a term for.
  bool add(const Key& key, const Mean& mean) {
    origin_.op = key.op;
    const double seconds = mean.seconds / mean.count;
    const auto cost = operator_cost(key.op, 0, meta_.model, mean.step, meta_.causal_skip);
    if (!cost || seconds <= 0) return false;
    if (key.op == Operator::kQkPv) return add_attention(key, seconds);
    if (is_linear(key.op)) {
      return add_gemm(*cost, mean.step, key.op, seconds);
    }
    const auto moved = traffic(*cost, element_bytes(meta_));
    if (moved) {
      samples_.streams.push_back({.origin = origin_,
                                  .rows = mean.step.total_query_tokens,
                                  .bytes = moved->total(),
                                  .seconds = seconds});
    }
    return false;
  }

 private:
  bool add_gemm(const OperatorCost& cost, const StepShape& step, Operator op, double seconds) {
    const double m = op == Operator::kLmHead ? step.logit_rows : step.total_query_tokens;
    const double k = cost.read.activations / m;
    samples_.gemms.push_back({.origin = origin_,
                              .shape = {.m = m,
                                        .n = cost.read.weights / k,
                                        .k = k,
                                        .weight_bytes = meta_.weight_bytes,
                                        .activation_bytes = meta_.activation_bytes,
                                        .reuse_bytes = weight_bytes(meta_),
                                        .gated = op == Operator::kDown},
                              .seconds = seconds});
    return true;
  }

  bool add_attention(const Key& key, double seconds) {
    const ModelShape& m = meta_.model;
    samples_.attention.push_back({.origin = origin_,
                                  .phase = key.phase,
                                  .shape = {.batch = static_cast<double>(key.batch),
                                            .heads = static_cast<double>(m.heads),
                                            .kv_heads = static_cast<double>(m.kv_heads),
                                            .head_dim = static_cast<double>(m.head_dim),
                                            .query_tokens = static_cast<double>(key.query_tokens),
                                            .length = static_cast<double>(key.length),
                                            .kv_bytes = meta_.kv_bytes,
                                            .causal_skip = meta_.causal_skip},
                                  .seconds = seconds});
    return true;
  }

  Samples& samples_;
  const Meta& meta_;
  SampleOrigin origin_;
};

}  // namespace

void add_trace_samples(Samples& samples, const std::string& path, const DeviceTable& devices) {
  trace::Reader step_reader(path);
  const StepTable steps = read_steps(step_reader);
  trace::Reader reader(path);
  const std::map<Key, Mean> means = read_means(reader, steps);
  const Meta& meta = reader.meta();
  if (!meta.prediction.empty()) {
    throw InputError(path + ": this trace is a prediction: calibrate on one that was measured");
  }
  Converter converter(samples, meta, figures_of_trace(meta, devices, path));
  bool any = false;
  for (const auto& [key, mean] : means) any = converter.add(key, mean) || any;
  if (!any) {
    throw InputError(path +
                     ": the trace holds no matrix product or attention of known shape to calibrate "
                     "on: record one with `rooftop sweep`");
  }
}

}  // namespace rooftop::predict
