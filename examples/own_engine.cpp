// An engine of one's own, profiled: open a `step` scope around each forward pass, an `op` scope
// around each operator, and `rooftop report own_engine.rtrace` shows where every one of them stands
// on the roofline.
//
// The "engine" is two decoder layers with random weights in plain loops; only the lines marked (*)
// are Rooftop's.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "rooftop/nvtx.h"  // (*) header-only; costs 2 ns a scope when nobody listens
#include "rooftop/profile.h"  // (*) only to record from within; without it, a tool can listen from outside

namespace {

namespace nvtx = rooftop::nvtx;
using Matrix = std::vector<float>;

constexpr int kHidden = 256, kHeads = 4, kHeadDim = 64, kFfn = 704, kVocab = 1000, kLayers = 2;
constexpr int kPrompt = 48, kGenerated = 16;

Matrix random_matrix(int rows, int cols) {
  static std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  Matrix m(static_cast<std::size_t>(rows) * cols);
  for (float& value : m) value = normal(generator);
  return m;
}

struct Layer {
  Matrix qkv = random_matrix(3 * kHidden, kHidden);
  Matrix o = random_matrix(kHidden, kHidden);
  Matrix gate_up = random_matrix(2 * kFfn, kHidden);
  Matrix down = random_matrix(kHidden, kFfn);
  Matrix keys, values;  // [position][kHidden]
};

// y[rows][out] = x[rows][in] * w[out][in]^T
Matrix multiply(const Matrix& x, const Matrix& w, int in) {
  const int rows = static_cast<int>(x.size()) / in, out = static_cast<int>(w.size()) / in;
  Matrix y(static_cast<std::size_t>(rows) * out, 0.0F);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < out; ++c)
      for (int k = 0; k < in; ++k) y[r * out + c] += x[r * in + k] * w[c * in + k];
  return y;
}

// Causal attention of the newest `rows` tokens over everything in the layer's cache.
Matrix attend(const Matrix& qkv, const Layer& layer, int rows, int length) {
  Matrix out(static_cast<std::size_t>(rows) * kHidden, 0.0F);
  for (int r = 0; r < rows; ++r)
    for (int head = 0; head < kHeads; ++head) {
      const int offset = head * kHeadDim, seen = length - rows + r + 1;
      std::vector<float> p(seen, 0.0F);
      float sum = 0.0F;
      for (int t = 0; t < seen; ++t) {
        for (int i = offset; i < offset + kHeadDim; ++i)
          p[t] += qkv[r * 3 * kHidden + i] * layer.keys[t * kHidden + i];
        sum += p[t] = std::exp(p[t] / std::sqrt(static_cast<float>(kHeadDim)));
      }
      for (int t = 0; t < seen; ++t)
        for (int i = offset; i < offset + kHeadDim; ++i)
          out[r * kHidden + i] += p[t] / sum * layer.values[t * kHidden + i];
    }
  return out;
}

void append_to_cache(Layer& layer, const Matrix& qkv, int rows) {
  for (int r = 0; r < rows; ++r) {
    const float* row = &qkv[static_cast<std::size_t>(r) * 3 * kHidden];
    layer.keys.insert(layer.keys.end(), row + kHidden, row + 2 * kHidden);
    layer.values.insert(layer.values.end(), row + 2 * kHidden, row + 3 * kHidden);
  }
}

template <typename Work>
auto scoped(nvtx::Operator op, int layer, const char* name, Work work) {
  const nvtx::Op scope(op, layer, name);  // (*)
  return work();
}

void forward(std::vector<Layer>& layers, Matrix x, nvtx::Phase phase, int length) {
  const int rows = static_cast<int>(x.size()) / kHidden;
  nvtx::StepPayload
      step;  // (*) what this pass does: one sequence, `rows` new tokens, `length` keys seen
  step.phase = phase;
  step.query_tokens = rows;
  step.length = length;
  const nvtx::Step scope(step);  // (*)
  for (int l = 0; l < kLayers; ++l) {
    Layer& layer = layers[l];
    const Matrix qkv =
        scoped(nvtx::kQkv, l, "qkv", [&] { return multiply(x, layer.qkv, kHidden); });
    scoped(nvtx::kKvWrite, l, "kv_write", [&] { append_to_cache(layer, qkv, rows); });
    const Matrix a =
        scoped(nvtx::kQkPv, l, "attention", [&] { return attend(qkv, layer, rows, length); });
    const Matrix o =
        scoped(nvtx::kOProj, l, "o_proj", [&] { return multiply(a, layer.o, kHidden); });
    const Matrix gu =
        scoped(nvtx::kGateUp, l, "gate_up", [&] { return multiply(o, layer.gate_up, kHidden); });
    Matrix g(static_cast<std::size_t>(rows) * kFfn);
    scoped(nvtx::kActivation, l, "silu", [&] {
      for (int r = 0; r < rows; ++r)
        for (int i = 0; i < kFfn; ++i) {
          const float gate = gu[r * 2 * kFfn + i];
          g[r * kFfn + i] = gate / (1.0F + std::exp(-gate)) * gu[r * 2 * kFfn + kFfn + i];
        }
    });
    x = scoped(nvtx::kDown, l, "down", [&] { return multiply(g, layer.down, kFfn); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  rooftop::Profile profile(argc > 1 ? argv[1] : "own_engine.rtrace");  // (*)
  nvtx::ModelPayload model;  // (*) so that FLOPs and bytes are exact
  model.hidden = kHidden, model.layers = model.layers_run = kLayers,
  model.heads = model.kv_heads = kHeads;
  model.head_dim = kHeadDim, model.ffn = kFfn, model.vocab = kVocab, model.flash = 1,
  model.causal_skip = 1;
  model.weight_bytes = model.activation_bytes = model.kv_bytes = sizeof(float);
  nvtx::describe_model(model, "two-layers");

  std::vector<Layer> layers(kLayers);
  forward(layers, random_matrix(kPrompt, kHidden), nvtx::kInit, kPrompt);
  for (int i = 1; i <= kGenerated; ++i)
    forward(layers, random_matrix(1, kHidden), nvtx::kAr, kPrompt + i);

  profile.finish();  // (*)
  if (!profile.ok()) std::fprintf(stderr, "%s\n", profile.error().c_str());
  return profile.ok() ? 0 : 1;
}
