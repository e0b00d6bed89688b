#include "inference/cpu/matmul.h"

#include <cstddef>

#include "inference/cpu/parallel.h"
#include "inference/cpu/storage.h"

namespace rooftop::inference::cpu {
namespace {

// Weight rows that one thread takes at a time: few enough to stay in its cache while several groups
// of activation rows use them.
constexpr std::int64_t kTileRows = 16;
// A widened part: activation rows, and weight rows.
constexpr std::int64_t kPanelX = 256;
constexpr std::int64_t kPanelWeights = 512;
constexpr std::size_t kMaxPrepared = 128;

float* floats(Buffer& buffer, std::int64_t count) {
  const auto needed = static_cast<std::size_t>(count) * sizeof(float);
  if (buffer.size() < needed) buffer = Buffer(needed);
  return reinterpret_cast<float*>(buffer.data());
}

}  // namespace

MatMul::MatMul(const Kernels& kernels, DType dtype, int threads)
    : kernels_(kernels),
      typed_(kernels.of(dtype)),
      dtype_(dtype),
      threads_(threads),
      engine_(dnnl::engine::kind::cpu, 0),
      stream_(engine_) {}

void MatMul::run(const Product& product) {
  if (product.rows <= kVectorRows) return run_vector(product);
  if (dtype_ == DType::kF32) return run_onednn(product, dnnl::memory::data_type::f32);
  if (dtype_ == DType::kBF16 && kernels_.native_bf16) {
    return run_onednn(product, dnnl::memory::data_type::bf16);
  }
  run_panels(product);
}

void MatMul::run_vector(const Product& p) const {
  const DType y_type = p.wide ? DType::kF32 : dtype_;
  parallel_ranges(threads_, p.n, kTileRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += kTileRows) {
      const std::int64_t n = std::min(kTileRows, end - i);
      for (std::int64_t r = 0; r < p.rows; r += kGemvRows) {
        const int rows = static_cast<int>(std::min<std::int64_t>(kGemvRows, p.rows - r));
        typed_.gemv(at(p.weights, i * p.k, dtype_), n, p.k, at(p.x, r * p.x_stride, dtype_),
                    p.x_stride, rows, at(p.y, r * p.y_stride + i, y_type), p.y_stride, p.wide);
      }
    }
  });
}

const MatMul::Prepared& MatMul::prepare(const Product& p, dnnl::memory::data_type type) {
  using dnnl::memory;
  const Key key{p.rows, p.n, p.k, p.x_stride, p.y_stride, p.wide ? 1 : 0, static_cast<int>(type)};
  const auto found = prepared_.find(key);
  if (found != prepared_.end()) return found->second;
  if (prepared_.size() >= kMaxPrepared) prepared_.clear();  // ragged prompts: no two alike
  Prepared made;
  made.x = memory::desc({p.rows, p.k}, type, memory::dims{p.x_stride, 1});
  made.weights = memory::desc({p.k, p.n}, type, memory::dims{1, p.k});
  made.y = memory::desc({p.rows, p.n}, p.wide ? memory::data_type::f32 : type,
                        memory::dims{p.y_stride, 1});
  made.primitive = dnnl::matmul(
      dnnl::matmul::primitive_desc(dnnl::matmul::desc(made.x, made.weights, made.y), engine_));
  return prepared_.emplace(key, std::move(made)).first->second;
}

void MatMul::run_onednn(const Product& p, dnnl::memory::data_type type) {
  const Prepared& prepared = prepare(p, type);
  // oneDNN's interface takes mutable pointers for what it only reads.
  dnnl::memory x(prepared.x, engine_, const_cast<void*>(p.x));
  dnnl::memory weights(prepared.weights, engine_, const_cast<void*>(p.weights));
  dnnl::memory y(prepared.y, engine_, p.y);
  prepared.primitive.execute(stream_,
                             {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, y}});
  stream_.wait();
}

void MatMul::run_panels(const Product& p) {
  const std::int64_t x_rows = std::min(p.rows, kPanelX);
  const std::int64_t w_rows = std::min(p.n, kPanelWeights);
  float* const x = floats(wide_x_, x_rows * p.k);
  float* const weights = floats(wide_weights_, w_rows * p.k);
  float* const y = floats(wide_y_, x_rows * w_rows);
  for (std::int64_t r = 0; r < p.rows; r += x_rows) {
    const std::int64_t rows = std::min(x_rows, p.rows - r);
    for_rows(threads_, rows, p.k, [&](std::int64_t row) {
      typed_.widen(at(p.x, (r + row) * p.x_stride, dtype_), x + row * p.k, p.k);
    });
    for (std::int64_t i = 0; i < p.n; i += w_rows) {
      const std::int64_t n = std::min(w_rows, p.n - i);
      for_rows(threads_, n, p.k, [&](std::int64_t row) {
        typed_.widen(at(p.weights, (i + row) * p.k, dtype_), weights + row * p.k, p.k);
      });
      Product part{weights, n, p.k, x, p.k, rows, y, n, true};
      if (p.wide) {
        part.y = static_cast<float*>(p.y) + r * p.y_stride + i;
        part.y_stride = p.y_stride;
      }
      run_onednn(part, dnnl::memory::data_type::f32);
      if (p.wide) continue;
      for_rows(threads_, rows, n, [&](std::int64_t row) {
        typed_.narrow(y + row * n, at(p.y, (r + row) * p.y_stride + i, dtype_), n);
      });
    }
  }
}

}  // namespace rooftop::inference::cpu
