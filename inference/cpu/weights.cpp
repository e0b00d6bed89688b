#include "inference/cpu/weights.h"

#include <cstddef>
#include <initializer_list>
#include <span>

#include "inference/cpu/parallel.h"
#include "inference/cpu/storage.h"

namespace rooftop::inference::cpu {
namespace {

constexpr std::int64_t kAlignment = 64;         // bytes; a cache line
constexpr std::int64_t kChunkValues = 1 << 18;  // converted at a time: stays in a core's cache
constexpr std::int64_t kRowUnit = 16;           // threads' parts begin where those of MatMul do

// A matrix in memory and the tensors that it is made of, one below the other.
struct Stacked {
  const void** place;
  std::vector<TensorId> parts;
  std::int64_t rows;
  std::int64_t cols;
};

std::vector<Stacked> list_matrices(Weights& weights, const Config& config) {
  std::vector<Stacked> list;
  const auto add = [&](const void** place, std::initializer_list<TensorId> parts) {
    Stacked matrix{place, parts, 0, shape_of(parts.begin()->kind, config).cols};
    for (const auto& part : parts) matrix.rows += shape_of(part.kind, config).rows;
    list.push_back(std::move(matrix));
  };
  add(&weights.embedding, {{TensorKind::kEmbedding, 0}});
  std::int32_t i = 0;
  for (auto& layer : weights.layers) {
    add(&layer.attention_norm, {{TensorKind::kAttentionNorm, i}});
    add(&layer.qkv, {{TensorKind::kQ, i}, {TensorKind::kK, i}, {TensorKind::kV, i}});
    add(&layer.o, {{TensorKind::kO, i}});
    add(&layer.mlp_norm, {{TensorKind::kMlpNorm, i}});
    add(&layer.gate_up, {{TensorKind::kGate, i}, {TensorKind::kUp, i}});
    add(&layer.down, {{TensorKind::kDown, i}});
    ++i;
  }
  add(&weights.final_norm, {{TensorKind::kFinalNorm, 0}});
  if (!config.tied_embeddings) add(&weights.lm_head, {{TensorKind::kLmHead, 0}});
  return list;
}

// Rows [begin, end) of the stack, in chunks.
void load_rows(const WeightSource& source, const Stacked& matrix, DType dtype,
               const TypedKernels& kernels, std::int64_t begin, std::int64_t end, void* out) {
  const std::int64_t chunk = std::max<std::int64_t>(1, kChunkValues / matrix.cols);
  std::vector<float> values;
  std::int64_t part_begin = 0;
  for (const auto& part : matrix.parts) {
    const std::int64_t part_end = part_begin + shape_of(part.kind, source.config()).rows;
    const std::int64_t last = std::min(end, part_end);
    for (std::int64_t row = std::max(begin, part_begin); row < last; row += chunk) {
      const std::int64_t rows = std::min(chunk, last - row);
      values.resize(static_cast<std::size_t>(rows * matrix.cols));
      source.read_rows(part, row - part_begin, rows, values);
      kernels.narrow(values.data(), at(out, row * matrix.cols, dtype), std::ssize(values));
    }
    part_begin = part_end;
  }
}

}  // namespace

Weights::Weights(const WeightSource& source, std::int64_t layer_count, DType dtype,
                 const Kernels& kernels, int threads, const std::function<void(double)>& progress)
    : layers(static_cast<std::size_t>(layer_count)) {
  const auto matrices = list_matrices(*this, source.config());
  const auto padded = [&](const Stacked& matrix) {
    const std::int64_t bytes = matrix.rows * matrix.cols * bytes_of(dtype);
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::int64_t total = 0;
  for (const auto& matrix : matrices) total += padded(matrix);
  buffer_ = Buffer(static_cast<std::size_t>(total));
  std::int64_t done = 0;
  for (const auto& matrix : matrices) {
    void* const out = buffer_.data() + done;
    parallel_ranges(threads, matrix.rows, kRowUnit, [&](std::int64_t begin, std::int64_t end) {
      load_rows(source, matrix, dtype, kernels.of(dtype), begin, end, out);
    });
    *matrix.place = out;
    done += padded(matrix);
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  }
  if (source.config().tied_embeddings) lm_head = embedding;
}

}  // namespace rooftop::inference::cpu
