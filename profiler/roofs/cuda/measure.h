// The bandwidths of one GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiler/roofs/cuda/cuda_module.h"

namespace rooftop::cuda {

// Tells the caller of the module how far a part of the measurements is.
struct RoofProgress {
  RooftopCudaProgress function = nullptr;
  void* user = nullptr;
  double begin = 0;  // share of the whole time that is over when this part begins
  double end = 1;

  [[nodiscard]] RoofProgress part(double from, double to) const {
    return {function, user, begin + from * (end - begin), begin + to * (end - begin)};
  }
  void tell(const char* what, double done) const {
    if (function != nullptr) function(what, begin + done * (end - begin), user);
  }
};

// As RooftopCudaModule::measure_roofs, bandwidths only; throws CudaError or std::runtime_error.
std::size_t measure_bandwidths(std::uint32_t ordinal, double seconds, const RoofProgress& progress,
                               RooftopCudaRoof* roofs, std::size_t capacity);

}  // namespace rooftop::cuda
