// cuBLASLt, found at run time: a process that holds a copy (PyTorch) shares it, and a machine
// without one gets one sentence.
#pragma once

#include <cublasLt.h>

#include <string>

namespace rooftop::cuda {

class CublasLt {
 public:
  // Loaded once, for good. Throws std::runtime_error with the sentence where there is none.
  static const CublasLt& get();

  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetVersion) version = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&cublasLtMatmulDescDestroy) desc_destroy = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy = nullptr;
  decltype(&cublasLtMatrixLayoutSetAttribute) layout_set = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;

  // Throws std::runtime_error: "cuBLASLt could not <what>: ...".
  void check(cublasStatus_t status, const std::string& what) const;

 private:
  CublasLt();
};

}  // namespace rooftop::cuda
