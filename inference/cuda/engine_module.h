// What the command and its CUDA engine, rooftop_cuda_engine.so, know of each other. Both are built
// together: the interface between them is Backend itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "inference/backend.h"
#include "inference/model.h"

namespace rooftop::inference {

struct CudaEngineModule {
  // Of this struct, Backend, BackendOptions and WeightSource; looked at before anything else.
  static constexpr std::uint32_t kAbi = 1;

  std::uint32_t abi;
  const char* version;  // of rooftop: must be the command's own
  // Null where there is no backend to be had: then one sentence stands in `error`.
  Backend* (*make)(const WeightSource& source, const BackendOptions& options, int ordinal,
                   const std::function<void(double)>& progress, char* error,
                   std::size_t error_size) noexcept;
};

// The module's one exported symbol. Never null, valid for good.
using CudaEngineEntry = const CudaEngineModule* (*)();
inline constexpr const char* kCudaEngineEntry = "rooftop_cuda_engine";

}  // namespace rooftop::inference
