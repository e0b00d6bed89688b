// The CUDA engine, loaded on demand: one command starts anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "inference/backend.h"
#include "inference/model.h"

namespace rooftop::tools {

// Throws InputError where the engine cannot run here at all, with what is missing: no CUDA in this
// build, no driver or too old a one, no such device.
void require_cuda_device(std::uint32_t ordinal);

// The model on a device. Throws InputError with the engine's sentence.
std::unique_ptr<inference::Backend> make_cuda_engine(const inference::WeightSource& source,
                                                     const inference::BackendOptions& options,
                                                     std::uint32_t ordinal,
                                                     const std::function<void(double)>& progress);

}  // namespace rooftop::tools
