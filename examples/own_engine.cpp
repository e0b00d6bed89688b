// An engine of one's own, profiled: open a `step` scope around each forward pass, an `op` scope
// around each operator, and `rooftop report own_engine.rtrace` shows where every one of them stands
// on the roofline.
//
// The "engine" is two decoder layers with random weights in plain loops; only the lines marked (*)
// are Rooftop's.
#include <algorithm>
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
  Matrix up = random_matrix(kFfn, kHidden);
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

// Appends the new keys and values to the layer's cache; causal attention of the new tokens over all
// of it.
Matrix attend(const Matrix& qkv, Layer& layer, int rows, int length) {
  for (auto row = qkv.begin(); row != qkv.end(); row += 3 * kHidden) {
    layer.keys.insert(layer.keys.end(), row + kHidden, row + 2 * kHidden);
    layer.values.insert(layer.values.end(), row + 2 * kHidden, row + 3 * kHidden);
  }
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

template <typename Work>
auto scoped(nvtx::Operator op, int layer, const char* name, Work work) {
  const nvtx::Op scope(op, layer, name);  // (*)
  return work();
}

void forward(std::vector<Layer>& layers, Matrix x, nvtx::Phase phase, int length) {
  const int rows = static_cast<int>(x.size()) / kHidden;
  nvtx::StepPayload step;  // (*) one sequence: `rows` new tokens, `length` keys seen
  step.phase = phase;
  step.query_tokens = rows;
  step.length = length;
  const nvtx::Step scope(step);  // (*)
  for (int i = 0; i < kLayers; ++i) {
    Layer& l = layers[i];
    const Matrix qkv = scoped(nvtx::kQkv, i, "qkv", [&] { return multiply(x, l.qkv, kHidden); });
    x = scoped(nvtx::kQkPv, i, "attention", [&] { return attend(qkv, l, rows, length); });
    x = scoped(nvtx::kOProj, i, "o_proj", [&] { return multiply(x, l.o, kHidden); });
    x = scoped(nvtx::kUp, i, "up", [&] { return multiply(x, l.up, kHidden); });
    scoped(nvtx::kActivation, i, "relu", [&] {
      for (float& value : x) value = std::max(value, 0.0F);
    });
    x = scoped(nvtx::kDown, i, "down", [&] { return multiply(x, l.down, kFfn); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  rooftop::Profile profile(argc > 1 ? argv[1] : "own_engine.rtrace");  // (*)
  nvtx::ModelPayload model;  // (*) what the closed forms need for exact FLOPs and bytes
  model.hidden = kHidden;
  model.layers = model.layers_run = kLayers;
  model.heads = model.kv_heads = kHeads;
  model.head_dim = kHeadDim;
  model.ffn = kFfn;
  model.vocab = kVocab;
  model.flash = model.causal_skip = 1;
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
