#include "inference/weight_layout.h"

#include <initializer_list>

namespace rooftop::inference {

std::vector<StackedMatrix> list_matrices(WeightTable& table, const Config& config) {
  std::vector<StackedMatrix> list;
  const auto add = [&](const void** place, std::initializer_list<TensorId> parts) {
    StackedMatrix matrix{place, parts, 0, shape_of(parts.begin()->kind, config).cols};
    for (const auto& part : parts) matrix.rows += shape_of(part.kind, config).rows;
    list.push_back(std::move(matrix));
  };
  add(&table.embedding, {{TensorKind::kEmbedding, 0}});
  std::int32_t i = 0;
  for (auto& layer : table.layers) {
    add(&layer.attention_norm, {{TensorKind::kAttentionNorm, i}});
    add(&layer.qkv, {{TensorKind::kQ, i}, {TensorKind::kK, i}, {TensorKind::kV, i}});
    add(&layer.o, {{TensorKind::kO, i}});
    add(&layer.mlp_norm, {{TensorKind::kMlpNorm, i}});
    add(&layer.gate_up, {{TensorKind::kGate, i}, {TensorKind::kUp, i}});
    add(&layer.down, {{TensorKind::kDown, i}});
    ++i;
  }
  add(&table.final_norm, {{TensorKind::kFinalNorm, 0}});
  if (!config.tied_embeddings) add(&table.lm_head, {{TensorKind::kLmHead, 0}});
  return list;
}

}  // namespace rooftop::inference
