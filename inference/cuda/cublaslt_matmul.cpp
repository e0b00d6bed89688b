#include "inference/cuda/cublaslt_matmul.h"

#include <algorithm>
#include <initializer_list>

namespace rooftop::inference::cuda {
namespace {

using rooftop::cuda::Gemm;
using rooftop::cuda::GemmProblem;

// Shapes of unfused decode change with every token: old ones are forgotten.
constexpr std::size_t kMostGemms = 4096;

cudaDataType_t type_of(DType dtype) { return dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_16BF; }

// The largest power of two, up to 256, that divides the address of a matrix and of everything that
// lies multiples of these strides (in elements) behind it.
std::uint32_t alignment(const void* matrix, std::int64_t element_bytes,
                        std::initializer_list<std::int64_t> strides) {
  std::uint64_t bits = 256 | reinterpret_cast<std::uintptr_t>(matrix);
  for (const std::int64_t stride : strides) {
    bits |= static_cast<std::uint64_t>(stride * element_bytes);
  }
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

}  // namespace

CublasLtMatMul::CublasLtMatMul()
    : workspace_(rooftop::cuda::GemmContext::kWorkspaceBytes),
      context_(workspace_.data(), rooftop::cuda::GemmContext::kWorkspaceBytes) {}

const Gemm& CublasLtMatMul::gemm_for(const GemmProblem& problem) {
  const auto known = gemms_.find(problem);
  if (known != gemms_.end()) return *known->second;
  if (gemms_.size() == kMostGemms) gemms_.clear();
  return *gemms_.emplace(problem, std::make_unique<Gemm>(context_, problem)).first->second;
}

void CublasLtMatMul::product(const Product& call, DType dtype, cudaStream_t stream) {
  GemmProblem p;
  p.input = type_of(dtype);
  p.output = call.f32 ? CUDA_R_32F : p.input;
  p.m = p.ldd = call.n;
  p.n = call.rows;
  p.k = p.lda = p.ldb = call.k;
  p.alignment_a = alignment(call.w, 2, {call.k});
  p.alignment_b = alignment(call.x, 2, {call.k});
  p.alignment_d = alignment(call.y, call.f32 ? 4 : 2, {call.n});
  gemm_for(p).run(1, call.w, call.x, call.add ? 1.0f : 0.0f, call.y, stream);
}

void CublasLtMatMul::batched(const BatchedProduct& call, DType dtype, cudaStream_t stream) {
  GemmProblem p;
  p.input = p.output = type_of(dtype);
  p.transpose_a = call.transposed;
  p.m = call.n;
  p.n = call.rows;
  p.k = call.k;
  p.lda = call.w_row_stride;
  p.ldb = call.x_row_stride;
  p.ldd = call.out_row_stride;
  p.batch = call.batch;
  p.stride_a = call.w_stride;
  p.stride_b = call.x_stride;
  p.stride_d = call.out_stride;
  p.alignment_a = alignment(call.w, 2, {call.w_row_stride, call.w_stride});
  p.alignment_b = alignment(call.x, 2, {call.x_row_stride, call.x_stride});
  p.alignment_d = alignment(call.out, 2, {call.out_row_stride, call.out_stride});
  gemm_for(p).run(call.scale, call.w, call.x, 0, call.out, stream);
}

}  // namespace rooftop::inference::cuda
