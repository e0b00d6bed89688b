// The Llama loop's operators on the CPU: weights, activations and KV cache in one compute type
// (f32, bf16 or f16), sums in fp32. Matrices of up to a few rows go through hand-written
// vector-matrix kernels for the best instruction set of the machine, larger ones through oneDNN.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "inference/backend.h"

namespace rooftop::inference {

using Progress = std::function<void(double fraction)>;  // of the weights loaded, 0 to 1

// Loads and converts the weights (`source` is not needed afterwards) and allocates everything that
// steps within `options` need. Throws InputError where an option cannot be met, or where
// memory_need() is more than the machine has free (the message says both figures).
std::unique_ptr<Backend> make_cpu_backend(const WeightSource& source, const BackendOptions& options,
                                          const Progress& progress = {});

// Whether bf16 products run natively here: the default compute type of a bf16 checkpoint is f32
// where they do not.
bool cpu_has_fast_bf16();

// "avx512_bf16", "avx512", "avx2" or "portable": what the hand-written kernels use here.
std::string_view cpu_instruction_set();

}  // namespace rooftop::inference
