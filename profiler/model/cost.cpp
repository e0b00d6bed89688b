#include "profiler/model/cost.h"

#include <cmath>

namespace rooftop {
namespace {

using Cost = std::optional<OperatorCost>;

// y[rows][out] = x[rows][in] * W[out][in]^T
Cost linear(double rows, double in, double out) {
  if (rows <= 0 || in <= 0 || out <= 0) return std::nullopt;
  return OperatorCost{.flops = 2 * rows * in * out,
                      .read = {.weights = in * out, .activations = rows * in},
                      .written = {.activations = rows * out}};
}

// Reads `inputs` and writes `outputs` activations; `work` elements cost `flops_each`.
Cost elementwise(double work, double flops_each, double inputs, double outputs) {
  if (work <= 0) return std::nullopt;
  return OperatorCost{.flops = work * flops_each,
                      .read = {.activations = inputs},
                      .written = {.activations = outputs}};
}

Cost norm(double rows, double width) {
  Cost cost = elementwise(rows * width, 4, rows * width, rows * width);
  if (cost) cost->read.weights = width;
  return cost;
}

// The four forms of attention over T query rows, K cached keys and P pairs.
struct AttentionShape {
  double queries;  // n*d*T, elements of Q and of the output
  double cache;    // g*d*K, elements of K and of V
  double scores;   // n*P
  double macs;     // n*d*P, of each of the two products

  [[nodiscard]] bool known() const { return queries > 0 && cache > 0 && scores > 0; }

  [[nodiscard]] Cost qk() const {
    if (!known()) return std::nullopt;
    return OperatorCost{.flops = 2 * macs,
                        .read = {.activations = queries, .kv = cache},
                        .written = {.activations = scores}};
  }
  [[nodiscard]] Cost softmax() const {
    if (!known()) return std::nullopt;
    return elementwise(scores, 5, scores, scores);
  }
  [[nodiscard]] Cost pv() const {
    if (!known()) return std::nullopt;
    return OperatorCost{.flops = 2 * macs,
                        .read = {.activations = scores, .kv = cache},
                        .written = {.activations = queries}};
  }
  [[nodiscard]] Cost flash() const {
    if (!known()) return std::nullopt;
    return OperatorCost{.flops = 4 * macs,
                        .read = {.activations = queries, .kv = 2 * cache},
                        .written = {.activations = queries}};
  }
};

double bytes_of(const Elements& elements, const ElementBytes& bytes) {
  return elements.weights * bytes.weight + elements.activations * bytes.activation +
         elements.kv * bytes.kv;
}

// Whether every kind of tensor that is moved has a size.
bool sizes_known(const Elements& elements, const ElementBytes& bytes) {
  const auto known = [](double count, double size) {
    return count <= 0 || (size > 0 && std::isfinite(size));
  };
  return known(elements.weights, bytes.weight) && known(elements.activations, bytes.activation) &&
         known(elements.kv, bytes.kv);
}

}  // namespace

StepShape uniform_step(std::uint32_t batch, std::uint32_t query_tokens, std::uint32_t length,
                       std::uint32_t logit_rows) {
  const double b = batch;
  const double s = query_tokens;
  const double keys = length;
  return {.batch = b,
          .total_query_tokens = b * s,
          .total_keys = b * keys,
          .attention_pairs = b * s * keys,
          .causal_pairs = b * (s * keys - s * (s - 1) / 2),
          .logit_rows = logit_rows == 0 ? b : logit_rows};
}

StepShape step_shape(const ScopeRecord& step) {
  StepShape shape = uniform_step(step.batch, step.query_tokens, step.length, step.logit_rows);
  const auto take = [](double& figure, std::uint64_t recorded) {
    if (recorded != 0) figure = static_cast<double>(recorded);
  };
  take(shape.total_query_tokens, step.total_query_tokens);
  take(shape.total_keys, step.total_keys);
  take(shape.attention_pairs, step.attention_pairs);
  take(shape.causal_pairs, step.causal_pairs);
  return shape;
}

ElementBytes element_bytes(const Meta& meta) {
  return {.weight = meta.weight_bytes, .activation = meta.activation_bytes, .kv = meta.kv_bytes};
}

std::optional<OperatorCost> operator_cost(Operator op, std::int32_t layer, const ModelShape& model,
                                          const StepShape& step, bool causal_skip) {
  const double h = model.hidden;
  const double d = model.head_dim;
  const double n = model.heads;
  const double g = model.kv_heads;
  const double i = model.ffn;
  const double vocab = model.vocab;
  const double rows = step.total_query_tokens;
  const double pairs = causal_skip ? step.causal_pairs : step.attention_pairs;
  const AttentionShape attention{.queries = n * d * rows,
                                 .cache = g * d * step.total_keys,
                                 .scores = n * pairs,
                                 .macs = n * d * pairs};
  switch (op) {
    case Operator::kQkv:
      return g > 0 ? linear(rows, h, (n + 2 * g) * d) : std::nullopt;
    case Operator::kQ:
      return linear(rows, h, n * d);
    case Operator::kK:
    case Operator::kV:
      return linear(rows, h, g * d);
    case Operator::kGateUp:
      return linear(rows, h, 2 * i);
    case Operator::kGateUpAct: {
      Cost cost = linear(rows, h, 2 * i);
      if (cost) cost->written.activations = rows * i;  // silu(gate) * up, never gate and up apart
      return cost;
    }
    case Operator::kGate:
    case Operator::kUp:
      return linear(rows, h, i);
    case Operator::kDown:
      return linear(rows, i, h);
    case Operator::kQk:
      return attention.qk();
    case Operator::kSoftmax:
      return attention.softmax();
    case Operator::kPv:
      return attention.pv();
    case Operator::kQkPv:
      return attention.flash();
    case Operator::kOProj:
      return linear(rows, n * d, h);
    case Operator::kLmHead:
      return linear(step.logit_rows, h, vocab);
    case Operator::kEmbed: {
      Cost cost = elementwise(rows * h, 0, 0, rows * h);
      if (cost) cost->read.weights = rows * h;  // one row of the table a token
      return cost;
    }
    case Operator::kNorm:
      return norm(layer < 0 ? step.logit_rows : rows, h);
    case Operator::kRope: {
      if (n <= 0 || g <= 0) return std::nullopt;
      const double rotated = rows * (n + g) * d;  // Q and K, in place
      return elementwise(rotated, 3, rotated, rotated);
    }
    case Operator::kActivation:
      return elementwise(rows * i, 5, 2 * rows * i, rows * i);
    case Operator::kResidual:
      return elementwise(rows * h, 1, 2 * rows * h, rows * h);
    case Operator::kKvWrite: {
      const double appended = 2 * rows * g * d;
      Cost cost = elementwise(appended, 0, appended, 0);
      if (cost) cost->written.kv = appended;
      return cost;
    }
    case Operator::kSampling:
      return elementwise(step.logit_rows * vocab, 1, step.logit_rows * vocab, 0);
    case Operator::kUnclassified:
    case Operator::kUpGateDown:
    case Operator::kComm:
    case Operator::kMemcpy:
    case Operator::kOther:
      break;
  }
  return std::nullopt;
}

std::optional<Traffic> traffic(const OperatorCost& cost, const ElementBytes& bytes) {
  if (!sizes_known(cost.read, bytes) || !sizes_known(cost.written, bytes)) return std::nullopt;
  return Traffic{.read_bytes = bytes_of(cost.read, bytes),
                 .written_bytes = bytes_of(cost.written, bytes)};
}

}  // namespace rooftop
