// Which tensors a Llama has.
#pragma once

#include <vector>

#include "inference/model.h"

namespace rooftop::inference {

bool is_norm(TensorKind kind);

// The tensor that is really stored: a tied head is the embedding, and outside the layers the layer
// is 0.
TensorId stored_id(TensorId id, const Config& config);

// Every tensor that is stored for a model of this config, in the order of the forward pass.
std::vector<TensorId> tensors_of(const Config& config);

}  // namespace rooftop::inference
