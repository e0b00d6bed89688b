// The engine module's entry.
#include <cstdio>
#include <exception>
#include <memory>

#include "inference/cuda/cublaslt_matmul.h"
#include "inference/cuda/cuda_backend.h"
#include "inference/cuda/engine_module.h"
#include "profiler/core/version.h"

namespace rooftop::inference {
namespace {

Backend* make(const WeightSource& source, const BackendOptions& options, int ordinal,
              const std::function<void(double)>& progress, char* error,
              std::size_t error_size) noexcept {
  try {
    return cuda::make_cuda_backend(
               source, options, ordinal, [] { return std::make_unique<cuda::CublasLtMatMul>(); },
               progress)
        .release();
  } catch (const std::exception& e) {
    std::snprintf(error, error_size, "%s", e.what());
  } catch (...) {
    std::snprintf(error, error_size, "the CUDA engine failed without a reason");
  }
  return nullptr;
}

}  // namespace
}  // namespace rooftop::inference

extern "C" __attribute__((visibility("default"))) const rooftop::inference::CudaEngineModule*
rooftop_cuda_engine() {
  using rooftop::inference::CudaEngineModule;
  static const CudaEngineModule module = {CudaEngineModule::kAbi, rooftop::kVersion,
                                          rooftop::inference::make};
  return &module;
}
