// From forward passes on each device to the steps of a trace.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "profiler/classify/layer_order.h"
#include "profiler/classify/step_table.h"
#include "profiler/classify/token.h"

namespace rooftop {

struct Pass {
  TokenRange tokens;
  Step step;                // its facts; the time is that of its launches
  std::uint32_t index = 0;  // among the steps that merge_passes() returns
};

// A run without the launches that stand far in front of it or behind it: loading, other work.
TokenRange trimmed(const LayerRun& run, std::span<const AttentionGroup> groups,
                   std::span<const Token> tokens);

// Launches that one annotation of a step holds together.
std::vector<TokenRange> marked_ranges(std::span<const Token> tokens);

// The steps in order of begin. Devices with equally many passes run them together. A short wait for
// the next step is idle time of the step in front of it; a long one is of none.
std::vector<Step> merge_passes(std::span<std::vector<Pass>> devices,
                               std::span<const std::span<const Token>> tokens);

// A product of single-precision kernels is one of the model's where there are no others; else it
// makes the rotary positions.
void prepare_products(std::span<Token> tokens);

}  // namespace rooftop
