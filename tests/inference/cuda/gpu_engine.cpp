#include <dlfcn.h>

#include <array>

#include "inference/cuda/engine_module.h"
#include "profiler/core/error.h"
#include "profiler/roofs/cuda_loader.h"
#include "tests/inference/cuda/engine_under_test.h"
#include "tests/module_path.h"

namespace rooftop::inference::cuda {

std::string why_no_engine() {
  return load_cuda_module(build_file("tools/rooftop_cuda.so")).why_not;
}

std::unique_ptr<Backend> cuda_backend(const WeightSource& source, const BackendOptions& options) {
  void* const library = dlopen(build_file("tools/rooftop_cuda_engine.so").c_str(), RTLD_NOW);
  if (library == nullptr) throw InputError(dlerror());
  const auto entry = reinterpret_cast<CudaEngineEntry>(dlsym(library, kCudaEngineEntry));
  std::array<char, 1024> error{};
  Backend* const backend = entry()->make(source, options, 0, {}, error.data(), error.size());
  if (backend == nullptr) throw InputError(error.data());
  return std::unique_ptr<Backend>(backend);
}

}  // namespace rooftop::inference::cuda
