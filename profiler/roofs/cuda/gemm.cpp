#include "profiler/roofs/cuda/gemm.h"

#include <array>
#include <stdexcept>
#include <string>

namespace rooftop::cuda {
namespace {

constexpr int kMostCandidates = 8;

cublasLtMatrixLayout_t make_layout(const CublasLt& lt, cudaDataType_t type, std::int64_t rows,
                                   std::int64_t cols, std::int64_t ld, std::int64_t batch,
                                   std::int64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  lt.check(lt.layout_create(&layout, type, static_cast<std::uint64_t>(rows),
                            static_cast<std::uint64_t>(cols), ld),
           "describe a matrix");
  if (batch > 1) {
    const auto count = static_cast<std::int32_t>(batch);
    lt.check(lt.layout_set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
             "describe a batch of matrices");
    lt.check(
        lt.layout_set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
        "describe a batch of matrices");
  }
  return layout;
}

}  // namespace

GemmContext::GemmContext(void* workspace, std::size_t workspace_bytes)
    : library_(CublasLt::get()), workspace_(workspace), workspace_bytes_(workspace_bytes) {
  library_.check(library_.create(&handle_), "start");
}

GemmContext::~GemmContext() { library_.destroy(handle_); }

Gemm::Gemm(const GemmContext& context, const GemmProblem& problem)
    : context_(context), integer_(problem.compute == CUBLAS_COMPUTE_32I) {
  try {
    describe(problem);
    ask(problem);
  } catch (...) {
    release();
    throw;
  }
}

Gemm::~Gemm() { release(); }

void Gemm::release() {
  const CublasLt& lt = context_.library_;
  if (product_ != nullptr) lt.desc_destroy(product_);
  for (const auto layout : {a_, b_, d_}) {
    if (layout != nullptr) lt.layout_destroy(layout);
  }
}

void Gemm::describe(const GemmProblem& p) {
  const CublasLt& lt = context_.library_;
  const cudaDataType_t scale = integer_ ? CUDA_R_32I : CUDA_R_32F;
  lt.check(lt.desc_create(&product_, p.compute, scale), "describe a product");
  const cublasOperation_t operation = p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  lt.check(lt.desc_set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &operation, sizeof operation),
           "describe a product");
  a_ = p.transpose_a ? make_layout(lt, p.input, p.k, p.m, p.lda, p.batch, p.stride_a)
                     : make_layout(lt, p.input, p.m, p.k, p.lda, p.batch, p.stride_a);
  b_ = make_layout(lt, p.input, p.k, p.n, p.ldb, p.batch, p.stride_b);
  d_ = make_layout(lt, p.output, p.m, p.n, p.ldd, p.batch, p.stride_d);
}

void Gemm::ask(const GemmProblem& p) {
  const CublasLt& lt = context_.library_;
  cublasLtMatmulPreference_t preference = nullptr;
  lt.check(lt.preference_create(&preference), "make a preference");
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                        decltype(&cublasLtMatmulPreferenceDestroy)>
      owner(preference, lt.preference_destroy);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    lt.check(lt.preference_set(preference, what, &value, sizeof value), "set a preference");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, context_.workspace_bytes_);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.alignment_a);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.alignment_b);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.alignment_d);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.alignment_d);
  // Sums stay in the type that computes, also where a product is split over k: never in 16 bits.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_INPLACE |
                                 CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  std::array<cublasLtMatmulHeuristicResult_t, kMostCandidates> results{};
  int found = 0;
  const cublasStatus_t status = lt.heuristic(context_.handle_, product_, a_, b_, d_, d_, preference,
                                             kMostCandidates, results.data(), &found);
  for (int i = 0; i < found && status == CUBLAS_STATUS_SUCCESS; ++i) {
    const auto& result = results[static_cast<std::size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS) algorithms_.push_back(result.algo);
  }
  if (algorithms_.empty()) {
    throw std::runtime_error("cuBLASLt has no algorithm for a product of " + std::to_string(p.m) +
                             " x " + std::to_string(p.n) + " x " + std::to_string(p.k) +
                             " on this device: " + lt.status_string(status));
  }
}

void Gemm::run(float alpha, const void* a, const void* b, float beta, void* d,
               cudaStream_t stream) const {
  const CublasLt& lt = context_.library_;
  const auto integer_alpha = static_cast<std::int32_t>(alpha);
  const auto integer_beta = static_cast<std::int32_t>(beta);
  const void* const alpha_at = integer_ ? static_cast<const void*>(&integer_alpha) : &alpha;
  const void* const beta_at = integer_ ? static_cast<const void*>(&integer_beta) : &beta;
  lt.check(lt.matmul(context_.handle_, product_, alpha_at, a, a_, b, b_, beta_at, d, d_, d, d_,
                     &algorithms_[chosen_], context_.workspace_, context_.workspace_bytes_, stream),
           "start a product");
}

}  // namespace rooftop::cuda
