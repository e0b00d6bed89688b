#include "profiler/roofs/cuda/cublaslt.h"

#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>

namespace rooftop::cuda {
namespace {

#define ROOFTOP_TEXT_OF(x) #x
#define ROOFTOP_TEXT(x) ROOFTOP_TEXT_OF(x)
constexpr const char* kLibrary = "libcublasLt.so." ROOFTOP_TEXT(CUBLAS_VER_MAJOR);
constexpr const char* kVariable = "ROOFTOP_CUBLASLT";  // a user's own file

void* open_library() {
  if (const char* own = std::getenv(kVariable); own != nullptr && *own != '\0') {
    if (void* library = dlopen(own, RTLD_NOW | RTLD_LOCAL)) return library;
    const char* reason = dlerror();
    throw std::runtime_error(std::string(kVariable) +
                             " names no usable library: " + (reason == nullptr ? own : reason));
  }
  if (void* held = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD)) return held;
  if (void* found = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL)) return found;
  const std::string toolkit = std::string("/usr/local/cuda/lib64/") + kLibrary;
  if (void* found = dlopen(toolkit.c_str(), RTLD_NOW | RTLD_LOCAL)) return found;
  throw std::runtime_error(std::string(kLibrary) +
                           " was not found: install cuBLAS of CUDA " ROOFTOP_TEXT(
                               CUBLAS_VER_MAJOR) " (or pip install nvidia-cublas), and put its "
                           "folder into LD_LIBRARY_PATH or its path into " +
                           kVariable);
}

template <typename Function>
void bind(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    throw std::runtime_error(std::string(kLibrary) + " has no " + name +
                             ": install a newer cuBLAS");
  }
}

}  // namespace

CublasLt::CublasLt() {
  void* const library = open_library();
  bind(library, "cublasLtCreate", create);
  bind(library, "cublasLtDestroy", destroy);
  bind(library, "cublasLtGetVersion", version);
  bind(library, "cublasLtGetStatusString", status_string);
  bind(library, "cublasLtMatmul", matmul);
  bind(library, "cublasLtMatmulAlgoGetHeuristic", heuristic);
  bind(library, "cublasLtMatmulDescCreate", desc_create);
  bind(library, "cublasLtMatmulDescDestroy", desc_destroy);
  bind(library, "cublasLtMatmulDescSetAttribute", desc_set);
  bind(library, "cublasLtMatrixLayoutCreate", layout_create);
  bind(library, "cublasLtMatrixLayoutDestroy", layout_destroy);
  bind(library, "cublasLtMatrixLayoutSetAttribute", layout_set);
  bind(library, "cublasLtMatmulPreferenceCreate", preference_create);
  bind(library, "cublasLtMatmulPreferenceDestroy", preference_destroy);
  bind(library, "cublasLtMatmulPreferenceSetAttribute", preference_set);
}

const CublasLt& CublasLt::get() {
  static const CublasLt library;
  return library;
}

void CublasLt::check(cublasStatus_t status, const std::string& what) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error("cuBLASLt could not " + what + ": " + status_string(status));
}

}  // namespace rooftop::cuda
