#include "profiler/predict/predicted_trace.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <map>

#include "profiler/core/error.h"
#include "profiler/core/version.h"
#include "profiler/roofline/counters.h"
#include "profiler/trace/writer.h"

namespace rooftop::predict {
namespace {

constexpr std::size_t kMostUnfit = 60'000;  // a trace lists no more

double element_size(const std::string& dtype) { return dtype == "f32" ? 4 : 2; }

// Times in whole nanoseconds whose sum over the layers is right to one.
class Rounding {
 public:
  Duration round(Operator op, double seconds) {
    double& carried = carry_[op];
    const double exact = seconds * 1e9 + carried;
    const double whole = std::max(0.0, std::round(exact));
    carried = exact - whole;
    return {static_cast<std::int64_t>(whole)};
  }

 private:
  std::map<Operator, double> carry_;
};

class TraceOfSteps {
 public:
  TraceOfSteps(trace::Writer& writer, Timestamp begin)
      : writer_(writer),
        now_(begin),
        error_metric_(writer.intern(kTimeErrorMetric)),
        basis_metric_(writer.intern(kBasisMetric)) {}

  // `levels`: with how each time came about.
  void add(const PredictedStep& step, const std::vector<PredictedLaunch>& launches, bool levels) {
    ScopeRecord scope;
    scope.id = ++scopes_;
    scope.kind = ScopeKind::kStep;
    scope.begin = now_;
    scope.phase = step.phase;
    scope.batch = step.batch;
    scope.query_tokens = step.query_tokens;
    scope.length = step.length;
    if (step.phase == Phase::kAr) scope.logit_rows = step.batch * step.query_tokens;
    scope.name = writer_.intern(step.phase == Phase::kAr ? "decode" : "prefill");
    Rounding rounding;
    for (const PredictedLaunch& launch : launches) add(scope.id, launch, rounding, levels);
    scope.end = now_;
    (void)writer_.add(scope);  // finish() reports the first error of all calls
  }

 private:
  void add(ScopeId step, const PredictedLaunch& launch, Rounding& rounding, bool levels) {
    const Timestamp end = now_ + rounding.round(launch.op, launch.seconds);
    ScopeRecord scope;
    scope.id = ++scopes_;
    scope.parent = step;
    scope.kind = ScopeKind::kOp;
    scope.begin = now_;
    scope.end = end;
    scope.op = launch.op;
    scope.layer = launch.layer;
    scope.name = writer_.intern(name_of(launch.op));
    KernelRecord kernel;
    kernel.id = ++kernels_;
    kernel.begin = now_;
    kernel.end = end;
    kernel.name = scope.name;
    kernel.scope = scope.id;
    (void)writer_.add(kernel);
    if (levels) {
      count(basis_metric_, static_cast<double>(launch.basis));
      if (launch.error) count(error_metric_, *launch.error);
    }
    (void)writer_.add(scope);
    now_ = end;
  }

  void count(StringId metric, double value) {
    (void)writer_.add(CounterRecord{
        .kernel = kernels_, .metric = metric, .value = value, .source = Provenance::kPredicted});
  }

  trace::Writer& writer_;
  Timestamp now_;
  StringId error_metric_;
  StringId basis_metric_;
  ScopeId scopes_ = 0;
  KernelId kernels_ = 0;
};

void with_writer(const std::string& path, const Meta& meta,
                 const std::function<void(TraceOfSteps&)>& write) {
  trace::Writer writer;
  const auto check = [&](const Status& status) {
    if (status.ok()) return;
    std::remove(path.c_str());
    throw InputError(status.message());
  };
  check(writer.open(path, meta));
  TraceOfSteps trace(writer, meta.created);
  write(trace);
  check(writer.finish());
}

}  // namespace

Meta predicted_meta(const ModelShape& model, const DeviceSpec& device, const std::string& dtype,
                    const EngineForm& form, const std::string& prediction, std::uint32_t layers) {
  Meta meta;
  meta.tool_version = kVersion;
  meta.command = "predict";
  meta.prediction = prediction;
  meta.run = form.ideal ? "ideal" : "predicted, " + prediction;
  meta.created = now();
  DeviceInfo info;
  info.kind = DeviceKind::kCuda;
  info.name = device.display_name;
  info.table_id = device.id;
  info.multiprocessors = device.sm_count;
  info.memory_bytes = device.memory_bytes;
  info.clock_hz = device.boost_clock_hz;
  meta.devices = {info};
  meta.model = model;
  meta.layers_run = layers > 0 ? layers : model.layers;
  meta.dtype = dtype;
  meta.weight_bytes = meta.activation_bytes = meta.kv_bytes = element_size(dtype);
  meta.attention = form.unfused ? "unfused" : "flash";
  meta.causal_skip = form.causal_skip;
  meta.sweep = true;
  return meta;
}

void write_steps(const std::string& path, const Meta& meta, const std::vector<TimedStep>& steps) {
  with_writer(path, meta, [&](TraceOfSteps& trace) {
    for (const TimedStep& step : steps) trace.add(step.step, step.launches, false);
  });
}

void write_predicted_trace(const std::string& path, Meta meta, const DeviceSpec& device,
                           const Predictor& predictor, const std::vector<PredictedStep>& steps) {
  for (const PredictedStep& step : steps) {
    const double need = predictor.memory_need(step);
    const auto memory = static_cast<double>(device.memory_bytes);
    if (memory == 0 || need <= memory) continue;
    meta.skipped.push_back(
        {step.phase, step.batch, step.query_tokens, step.length,
         fmt::format("needs {:.1f} GB, the card has {:.1f}", need / 1e9, memory / 1e9)});
  }
  if (meta.skipped.size() > kMostUnfit) {
    throw InputError(
        fmt::format("{} cells of the grid do not fit the memory of {}: give a smaller grid",
                    meta.skipped.size(), device.id));
  }
  with_writer(path, meta, [&](TraceOfSteps& trace) {
    const bool levels = meta.prediction != "ideal";
    for (const PredictedStep& step : steps) trace.add(step, predictor.launches(step), levels);
  });
}

}  // namespace rooftop::predict
