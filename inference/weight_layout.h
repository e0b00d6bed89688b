// How an engine keeps the weights: every matrix in the compute type, [out][in], with the products
// of one operator stacked into one matrix.
#pragma once

#include <cstdint>
#include <vector>

#include "inference/model.h"

namespace rooftop::inference {

struct LayerWeights {
  const void* attention_norm = nullptr;  // [h]
  const void* qkv = nullptr;             // [(n + 2g) d][h]: q, k, v
  const void* o = nullptr;               // [h][n d]
  const void* mlp_norm = nullptr;        // [h]
  const void* gate_up = nullptr;         // [2i][h]: gate, up
  const void* down = nullptr;            // [h][i]
};

// Where each matrix is, in the memory of whoever owns it.
struct WeightTable {
  const void* embedding = nullptr;   // [V][h]
  const void* final_norm = nullptr;  // [h]
  const void* lm_head = nullptr;     // [V][h]; the embedding where they are tied
  std::vector<LayerWeights> layers;
};

// A matrix and the tensors that it is made of, one below the other.
struct StackedMatrix {
  const void** place = nullptr;  // in the table
  std::vector<TensorId> parts;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// Every matrix that a table of these many layers needs, each once. Where embeddings are tied there
// is no entry for lm_head: set it to the embedding.
std::vector<StackedMatrix> list_matrices(WeightTable& table, const Config& config);

// Reads rows [begin, end) of the stack as float, at most `chunk_values` values (but at least a row)
// at a time, and hands each chunk to take(first row, values).
template <typename Take>
void read_stacked(const WeightSource& source, const StackedMatrix& matrix, std::int64_t begin,
                  std::int64_t end, std::int64_t chunk_values, const Take& take) {
  const std::int64_t chunk = chunk_values > matrix.cols ? chunk_values / matrix.cols : 1;
  std::vector<float> values;
  std::int64_t part_begin = 0;
  for (const auto& part : matrix.parts) {
    const std::int64_t part_end = part_begin + shape_of(part.kind, source.config()).rows;
    const std::int64_t last = end < part_end ? end : part_end;
    for (std::int64_t row = begin > part_begin ? begin : part_begin; row < last; row += chunk) {
      const std::int64_t rows = chunk < last - row ? chunk : last - row;
      values.resize(static_cast<std::size_t>(rows * matrix.cols));
      source.read_rows(part, row - part_begin, rows, values);
      take(row, values);
    }
    part_begin = part_end;
  }
}

}  // namespace rooftop::inference
