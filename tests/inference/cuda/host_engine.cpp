#include "inference/cuda/cuda_backend.h"
#include "tests/inference/cuda/engine_under_test.h"
#include "tests/inference/cuda/host_matmul.h"

namespace rooftop::inference::cuda {

std::string why_no_engine() { return ""; }

std::unique_ptr<Backend> cuda_backend(const WeightSource& source, const BackendOptions& options) {
  return make_cuda_backend(source, options, 0, [] { return std::make_unique<HostMatMul>(); });
}

}  // namespace rooftop::inference::cuda
