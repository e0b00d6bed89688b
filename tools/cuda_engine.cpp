#include "tools/cuda_engine.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "inference/cuda/engine_module.h"
#include "profiler/core/error.h"
#include "profiler/core/version.h"
#include "profiler/roofs/cuda_loader.h"

namespace rooftop::tools {
namespace {

using inference::CudaEngineModule;

constexpr const char* kFile = "rooftop_cuda_engine.so";

const CudaEngineModule& load_engine() {
  const auto path = find_cuda_module(kFile);
  if (path.empty()) {
    throw InputError("this build has no CUDA engine: configure with -DROOFTOP_CUDA=ON");
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    throw InputError(fmt::format("the CUDA engine cannot be loaded: {}; rebuild or reinstall it",
                                 reason == nullptr ? path.c_str() : reason));
  }
  const auto entry =
      reinterpret_cast<inference::CudaEngineEntry>(dlsym(library, inference::kCudaEngineEntry));
  const CudaEngineModule* const module = entry == nullptr ? nullptr : entry();
  if (module == nullptr || module->abi != CudaEngineModule::kAbi ||
      std::strcmp(module->version, kVersion) != 0) {
    throw InputError(fmt::format(
        "{} belongs to another version of rooftop: rebuild or reinstall both", path.string()));
  }
  return *module;
}

}  // namespace

void require_cuda_device(std::uint32_t ordinal) {
  const CudaModuleLoad load = load_cuda_module();
  if (load.module == nullptr) throw InputError(load.why_not);
  if (ordinal < load.devices) return;
  throw InputError(
      fmt::format("there is no cuda:{}: this machine has {} CUDA device(s), counted from 0",
                  ordinal, load.devices));
}

std::unique_ptr<inference::Backend> make_cuda_engine(const inference::WeightSource& source,
                                                     const inference::BackendOptions& options,
                                                     std::uint32_t ordinal,
                                                     const std::function<void(double)>& progress) {
  require_cuda_device(ordinal);
  std::array<char, 1024> error{};
  inference::Backend* const backend = load_engine().make(source, options, static_cast<int>(ordinal),
                                                         progress, error.data(), error.size());
  if (backend == nullptr) throw InputError(error.data());
  return std::unique_ptr<inference::Backend>(backend);
}

}  // namespace rooftop::tools
