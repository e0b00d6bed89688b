// Every CUDA call is checked: a failure becomes a CudaError, which never leaves the module.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace rooftop::cuda {

class CudaError : public std::runtime_error {
 public:
  CudaError(cudaError_t code, const std::string& what)
      : std::runtime_error("CUDA could not " + what + ": " + cudaGetErrorString(code)),
        code_(code) {}
  [[nodiscard]] cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

// `what` completes "CUDA could not ...".
inline void check(cudaError_t code, const std::string& what) {
  if (code == cudaSuccess) return;
  // The error is reported here: the next unrelated call must not meet it again.
  (void)cudaGetLastError();
  throw CudaError(code, what);
}

}  // namespace rooftop::cuda
