#include "profiler/predict/measured_steps.h"

#include <map>
#include <tuple>

namespace rooftop::predict {
namespace {

constexpr double kMostDecodeRows = 64;

using Key = std::tuple<Phase, std::uint32_t, std::uint32_t, std::uint32_t>;

class Steps {
 public:
  void add(const PredictedStep& step, Operator op, double seconds) {
    TimedStep& timed = steps_[{step.phase, step.batch, step.query_tokens, step.length}];
    timed.step = step;
    PredictedLaunch launch;
    launch.op = op;
    launch.layer = 0;
    launch.seconds = seconds;
    timed.launches.push_back(launch);
  }
  [[nodiscard]] std::vector<TimedStep> take() const {
    std::vector<TimedStep> all;
    for (const auto& [key, step] : steps_) all.push_back(step);
    return all;
  }

 private:
  std::map<Key, TimedStep> steps_;
};

// Whether the product is one of the model's own, undivided.
bool has_shape(const GemmSample& s, const ModelShape& m) {
  const auto is = [&](double n, double k) { return s.shape.n == n && s.shape.k == k; };
  const double h = m.hidden;
  switch (s.origin.op) {
    case Operator::kQkv:
      return is((m.heads + 2.0 * m.kv_heads) * m.head_dim, h);
    case Operator::kGateUp:
      return is(2.0 * m.ffn, h);
    case Operator::kDown:
      return is(h, m.ffn);
    default:
      return false;
  }
}

PredictedStep step_of_rows(double rows) {
  const auto n = static_cast<std::uint32_t>(rows);
  if (rows <= kMostDecodeRows) return {Phase::kAr, n, 1, 1};
  return {Phase::kInit, 1, n, n};
}

}  // namespace

std::vector<TimedStep> measured_steps(const Samples& samples, const ModelShape& model,
                                      const DeviceSpec& device, const DeviceTable& devices) {
  const auto is_of = [&](const SampleOrigin& origin) {
    return origin.shards == 1 && device_of_source(devices, origin.gpu).id == device.id;
  };
  Steps steps;
  for (const GemmSample& s : samples.gemms) {
    if (!is_of(s.origin) || !has_shape(s, model)) continue;
    steps.add(step_of_rows(s.shape.m), s.origin.op, s.seconds);
  }
  for (const AttentionSample& s : samples.attention) {
    if (!is_of(s.origin) || s.shape.heads != model.heads || s.shape.kv_heads != model.kv_heads ||
        s.shape.head_dim != model.head_dim) {
      continue;
    }
    const auto u32 = [](double value) { return static_cast<std::uint32_t>(value); };
    steps.add({s.phase, u32(s.shape.batch), u32(s.shape.query_tokens), u32(s.shape.length)},
              Operator::kQkPv, s.seconds);
  }
  return steps.take();
}

}  // namespace rooftop::predict
