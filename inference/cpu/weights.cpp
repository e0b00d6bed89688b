#include "inference/cpu/weights.h"

#include <cstddef>
#include <span>

#include "inference/cpu/parallel.h"
#include "inference/cpu/storage.h"

namespace rooftop::inference::cpu {
namespace {

constexpr std::int64_t kAlignment = 64;         // bytes; a cache line
constexpr std::int64_t kChunkValues = 1 << 18;  // converted at a time: stays in a core's cache
constexpr std::int64_t kRowUnit = 16;           // threads' parts begin where those of MatMul do

}  // namespace

Weights::Weights(const WeightSource& source, std::int64_t layer_count, DType dtype,
                 const Kernels& kernels, int threads, const std::function<void(double)>& progress) {
  layers.resize(static_cast<std::size_t>(layer_count));
  const auto matrices = list_matrices(*this, source.config());
  const auto padded = [&](const StackedMatrix& matrix) {
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
      read_stacked(source, matrix, begin, end, kChunkValues,
                   [&](std::int64_t row, std::span<const float> values) {
                     kernels.of(dtype).narrow(values.data(), at(out, row * matrix.cols, dtype),
                                              std::ssize(values));
                   });
    });
    *matrix.place = out;
    done += padded(matrix);
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  }
  if (source.config().tied_embeddings) lm_head = embedding;
}

}  // namespace rooftop::inference::cpu
