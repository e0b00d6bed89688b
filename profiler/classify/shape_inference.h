// What the recorded shapes say about the model and about each step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "profiler/classify/layer_order.h"
#include "profiler/classify/range_meaning.h"
#include "profiler/classify/step_table.h"
#include "profiler/classify/token.h"
#include "profiler/core/meta.h"

namespace rooftop {

// Shapes that launches refer to by index, each kept once.
struct RecordedShapes {
  struct Embedding {
    double vocab = 0;
    double hidden = 0;
    double batch = 0;
    double rows = 0;  // of one sequence; of all where batch is 0
  };
  std::vector<ProductSize> products;
  std::vector<AttentionCall> attentions;
  std::vector<Embedding> embeddings;
};

// Dimensions as one rank runs them: a share of heads and FFN under tensor parallelism. A dimension
// on which launches disagree stays 0: two models in one process have no one shape.
ModelShape infer_model(std::span<const Token> tokens, const RecordedShapes& shapes);

// Phase, batch, rows and keys of a step, as far as `tokens`, its launches, and its annotation say.
Step infer_step(std::span<const Token> tokens, const RecordedShapes& shapes,
                const RangeMeaning& annotation);

}  // namespace rooftop
