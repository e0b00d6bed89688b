// What a kernel of many uses is by its place: PyTorch's elementwise kernels are residuals between a
// product and a norm, rotary positions between QKV and attention, activations within the MLP.
#pragma once

#include <cstdint>
#include <span>

#include "profiler/classify/layer_order.h"
#include "profiler/classify/token.h"

namespace rooftop {

// Decides what is still open in each run of `structure`, numbers the layers of its launches, and
// finds the product that each companion works for. `first_layer[run]`: the number of its first
// layer.
void decide_by_region(std::span<Token> tokens, LayerStructure& structure,
                      std::span<const std::int32_t> first_layer, RuleTexts& rules);

// Splits of a product, clearing of its workspace: what stands beside it belongs to it.
void decide_companions(std::span<Token> tokens, RuleTexts& rules);

// Of several launches that do one operator together, the first carries the closed form.
void mark_parts(std::span<Token> tokens);

}  // namespace rooftop
