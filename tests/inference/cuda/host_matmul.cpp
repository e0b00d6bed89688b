#include "tests/inference/cuda/host_matmul.h"

#include "inference/cpu/numeric.h"
#include "tests/host_executor/executor.h"

namespace rooftop::inference::cuda {
namespace {

template <typename T>
float at(const void* base, std::int64_t i) {
  return cpu::to_float(static_cast<const T*>(base)[i]);
}

template <typename T>
void run(const Product& call) {
  for (std::int64_t row = 0; row < call.rows; ++row) {
    for (std::int64_t col = 0; col < call.n; ++col) {
      float sum = 0;
      for (std::int64_t i = 0; i < call.k; ++i) {
        sum += at<T>(call.x, row * call.k + i) * at<T>(call.w, col * call.k + i);
      }
      const std::int64_t out = row * call.n + col;
      if (call.f32) {
        static_cast<float*>(call.y)[out] = sum;
      } else {
        if (call.add) sum += at<T>(call.y, out);
        cpu::from_float(sum, static_cast<T*>(call.y) + out);
      }
    }
  }
}

template <typename T>
void run(const BatchedProduct& call) {
  for (std::int64_t b = 0; b < call.batch; ++b) {
    for (std::int64_t row = 0; row < call.rows; ++row) {
      for (std::int64_t col = 0; col < call.n; ++col) {
        float sum = 0;
        for (std::int64_t i = 0; i < call.k; ++i) {
          const std::int64_t w =
              call.transposed ? col * call.w_row_stride + i : i * call.w_row_stride + col;
          sum += at<T>(call.x, b * call.x_stride + row * call.x_row_stride + i) *
                 at<T>(call.w, b * call.w_stride + w);
        }
        cpu::from_float(call.scale * sum, static_cast<T*>(call.out) + b * call.out_stride +
                                              row * call.out_row_stride + col);
      }
    }
  }
}

template <typename Call>
void queue(const Call& call, DType dtype, cudaStream_t stream) {
  host_executor::enqueue(
      stream, [call, dtype] { dtype == DType::kF16 ? run<cpu::F16>(call) : run<cpu::BF16>(call); });
}

}  // namespace

void HostMatMul::product(const Product& call, DType dtype, cudaStream_t stream) {
  queue(call, dtype, stream);
}

void HostMatMul::batched(const BatchedProduct& call, DType dtype, cudaStream_t stream) {
  queue(call, dtype, stream);
}

}  // namespace rooftop::inference::cuda
