// What a launch is by its place: the layers of a decoder repeat norm, QKV, attention, output
// projection, norm, MLP, and attention, norms and activations are known by name.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "profiler/classify/token.h"

namespace rooftop {

// Shapes of the launches' products, for the choice between one gate-and-up product and a single up.
struct ProductSize {
  double rows = 0;
  double in = 0;
  double out = 0;
  double batch = 1;
};

// One layer's attention: launches without a product or norm between them.
struct AttentionGroup {
  TokenRange tokens;
  // The norm in front of the layer's QKV; its own range where none was found. Whatever precedes it
  // belongs to the layer before.
  std::size_t layer_begin = 0;
};

// A forward pass: consecutive layers.
struct LayerRun {
  std::size_t first_group = 0;
  std::size_t groups = 0;
  TokenRange tokens;
  // Where the layers end: the norm in front of the head.
  std::size_t layers_end = 0;
  bool embeds = false;  // its own embedding was seen
  bool has_head = false;
};

struct LayerStructure {
  std::vector<AttentionGroup> groups;
  std::vector<LayerRun> runs;
};

// Decides products and cuts the launches of one device, in order of begin, into runs. Decisions
// that were made already stand; where the count or the kinds fit no layer, nothing is decided.
LayerStructure find_layers(std::span<Token> tokens, std::span<const ProductSize> products,
                           RuleTexts& rules);

}  // namespace rooftop
