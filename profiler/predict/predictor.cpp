#include "profiler/predict/predictor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "profiler/predict/terms.h"

namespace rooftop::predict {
namespace {

constexpr std::size_t kSquareTile = 2;  // 128 x 128 of kTiles
constexpr double kRowGranule = 16;      // rows of a tensor-core instruction

double parameters_of_layer(const ModelShape& m) {
  const double heads = m.heads;
  const double kv_heads = m.kv_heads;
  return 2.0 * m.hidden * m.head_dim * (heads + kv_heads) + 3.0 * m.hidden * m.ffn;
}

}  // namespace

Predictor::Predictor(const Meta& meta, const DeviceSpec& device, const Choice& choice,
                     const Calibration& calibration, const EngineForm& form)
    : meta_(meta),
      roofs_(figures_of(device, meta.dtype)),
      choice_(choice),
      calibration_(calibration),
      form_(form),
      weight_bytes_(parameters_of_layer(meta.model) * meta.layers_run * meta.weight_bytes) {}

double Predictor::memory_need(const PredictedStep& step) const {
  const ModelShape& m = meta_.model;
  const double vocab = static_cast<double>(m.vocab) * m.hidden * (m.tied_embeddings ? 1 : 2);
  const double keys = static_cast<double>(step.batch) * step.length;
  const double cache = 2 * keys * m.kv_heads * m.head_dim * meta_.layers_run * meta_.kv_bytes;
  // Scores of one layer at a time.
  const double scores = form_.unfused ? keys * step.query_tokens * m.heads : 0;
  return weight_bytes_ + vocab * meta_.weight_bytes + cache + scores * meta_.activation_bytes;
}

std::vector<Operator> Predictor::layer_operators() const {
  std::vector<Operator> ops = {Operator::kNorm};
  const auto add = [&](std::initializer_list<Operator> more) {
    ops.insert(ops.end(), more.begin(), more.end());
  };
  form_.separate ? add({Operator::kQ, Operator::kK, Operator::kV}) : add({Operator::kQkv});
  add({Operator::kRope, Operator::kKvWrite});
  form_.unfused ? add({Operator::kQk, Operator::kSoftmax, Operator::kPv}) : add({Operator::kQkPv});
  add({Operator::kOProj, Operator::kResidual, Operator::kNorm});
  form_.separate ? add({Operator::kGate, Operator::kUp, Operator::kActivation, Operator::kDown})
                 : add({Operator::kGateUpAct, Operator::kDown});
  add({Operator::kResidual});
  return ops;
}

std::vector<PredictedLaunch> Predictor::launches(const PredictedStep& step) const {
  const StepShape shape =
      uniform_step(step.batch, step.query_tokens, step.length,
                   step.phase == Phase::kAr ? step.batch * step.query_tokens : 0);
  std::vector<PredictedLaunch> layer;
  for (const Operator op : layer_operators()) layer.push_back(predict(op, 0, shape, step));
  if (form_.ideal) set_ideal(layer, shape);
  std::vector<PredictedLaunch> all;
  all.reserve(layer.size() * meta_.layers_run + 4);
  const auto outside = [&](Operator op) {
    std::vector<PredictedLaunch> one = {predict(op, -1, shape, step)};
    if (form_.ideal) set_ideal(one, shape);
    all.push_back(one.front());
  };
  outside(Operator::kEmbed);
  for (std::uint32_t i = 0; i < meta_.layers_run; ++i) {
    for (PredictedLaunch launch : layer) {
      launch.layer = static_cast<std::int32_t>(i);
      all.push_back(launch);
    }
  }
  for (const Operator op : {Operator::kNorm, Operator::kLmHead, Operator::kSampling}) outside(op);
  return all;
}

// A row of a report lies on the roof as a whole, whatever its products are one by one; each takes
// its part of the row's time.
void Predictor::set_ideal(std::vector<PredictedLaunch>& launches, const StepShape& shape) const {
  struct Row {
    double flops = 0, bytes = 0, floors = 0;
  };
  std::map<Operator, Row> rows;
  for (PredictedLaunch& launch : launches) {
    const auto cost = operator_cost(launch.op, launch.layer, meta_.model, shape, meta_.causal_skip);
    const double bytes = traffic(cost.value(), element_bytes(meta_)).value().total();
    launch.seconds = std::max(cost->flops / roofs_.peak, bytes / roofs_.bandwidth);
    Row& row = rows[row_of(launch.op)];
    row.flops += cost->flops;
    row.bytes += bytes;
    row.floors += launch.seconds;
  }
  for (PredictedLaunch& launch : launches) {
    const Row& row = rows[row_of(launch.op)];
    const double on_roof = std::max(row.flops / roofs_.peak, row.bytes / roofs_.bandwidth);
    if (row.floors > 0) launch.seconds *= on_roof / row.floors;
  }
}

double Predictor::linear_seconds(Operator op, const OperatorCost& cost, double rows) const {
  const double k = cost.read.activations / rows;
  const GemmShape shape{.m = rows,
                        .n = cost.read.weights / k,
                        .k = k,
                        .weight_bytes = meta_.weight_bytes,
                        .activation_bytes = meta_.activation_bytes,
                        .reuse_bytes = weight_bytes_,
                        .gated = op == Operator::kDown};
  return gemm_seconds(shape, choice_.figures, choice_.coefficients->gemm);
}

// One of the two products of unfused attention: no measurements, so the coefficients of a product
// with weights stand in.
double Predictor::product_seconds(const OperatorCost& cost, const PredictedStep& step) const {
  const GemmCoefficients& c = choice_.coefficients->gemm;
  const GpuFigures& gpu = choice_.figures;
  const double rows = step.query_tokens;
  const double padding = std::ceil(rows / kRowGranule) * kRowGranule / rows;
  const double compute = cost.flops * padding / (gpu.peak * c.tile_share[kSquareTile]);
  const double bytes = traffic(cost, element_bytes(meta_)).value().total();
  return c.launch_s + std::max(compute, bytes / (gpu.bandwidth * c.bandwidth_share));
}

PredictedLaunch Predictor::predict(Operator op, std::int32_t layer, const StepShape& shape,
                                   const PredictedStep& step) const {
  PredictedLaunch launch;
  launch.op = op;
  launch.layer = layer;
  if (form_.ideal) return launch;
  const auto cost = operator_cost(op, layer, meta_.model, shape, meta_.causal_skip).value();
  const GpuCalibration& own = *choice_.coefficients;
  const ModelShape& m = meta_.model;
  if (is_linear(op)) {
    const double rows = op == Operator::kLmHead ? shape.logit_rows : shape.total_query_tokens;
    launch.seconds = linear_seconds(op, cost, rows);
    launch.basis = choice_.basis;
    launch.error = own.error(op, rows);
  } else if (op == Operator::kQkPv) {
    const AttentionShape attention{.batch = shape.batch,
                                   .heads = static_cast<double>(m.heads),
                                   .kv_heads = static_cast<double>(m.kv_heads),
                                   .head_dim = static_cast<double>(m.head_dim),
                                   .query_tokens = static_cast<double>(step.query_tokens),
                                   .length = static_cast<double>(step.length),
                                   .kv_bytes = meta_.kv_bytes,
                                   .causal_skip = meta_.causal_skip};
    const auto& known = own.attention ? own.attention : calibration_.generic.attention;
    launch.seconds = flash_attention_seconds(attention, choice_.figures,
                                             known.value_or(AttentionCoefficients{}));
    if (own.attention) launch.basis = choice_.basis;
    launch.error = own.error(op, step.query_tokens);
  } else if (op == Operator::kQk || op == Operator::kPv) {
    launch.seconds = product_seconds(cost, step);
  } else {
    const auto known = own.streams.find(std::string(name_of(op)));
    const StreamCoefficients stream =
        known == own.streams.end() ? StreamCoefficients{} : known->second;
    if (known != own.streams.end()) launch.basis = choice_.basis;
    launch.seconds = stream.launch_s + traffic(cost, element_bytes(meta_)).value().total() /
                                           (choice_.figures.bandwidth * stream.bandwidth_share);
  }
  // What other GPUs or no GPU at all say of this one has an error that nobody knows.
  if (launch.basis != Basis::kCalibrated) launch.error.reset();
  return launch;
}

}  // namespace rooftop::predict
