// The CUDA backend that backend_test.cpp tests: on the host executor (host_engine.cpp), or the
// engine module on this machine's first GPU (gpu_engine.cpp).
#pragma once

#include <memory>
#include <string>

#include "inference/backend.h"
#include "inference/model.h"

namespace rooftop::inference::cuda {

std::string why_no_engine();  // empty where there is one

// Throws InputError with the engine's sentence.
std::unique_ptr<Backend> cuda_backend(const WeightSource& source, const BackendOptions& options);

}  // namespace rooftop::inference::cuda
