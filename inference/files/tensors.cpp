#include "inference/files/tensors.h"

namespace rooftop::inference {

bool is_norm(TensorKind kind) {
  return kind == TensorKind::kAttentionNorm || kind == TensorKind::kMlpNorm ||
         kind == TensorKind::kFinalNorm;
}

TensorId stored_id(TensorId id, const Config& config) {
  using enum TensorKind;
  if (id.kind == kLmHead && config.tied_embeddings) return {kEmbedding, 0};
  const bool outside = id.kind == kEmbedding || id.kind == kFinalNorm || id.kind == kLmHead;
  return {id.kind, outside ? 0 : id.layer};
}

std::vector<TensorId> tensors_of(const Config& config) {
  using enum TensorKind;
  std::vector<TensorId> out{{kEmbedding, 0}};
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    for (const TensorKind kind : {kAttentionNorm, kQ, kK, kV, kO, kMlpNorm, kGate, kUp, kDown}) {
      out.push_back({kind, layer});
    }
  }
  out.push_back({kFinalNorm, 0});
  if (!config.tied_embeddings) out.push_back({kLmHead, 0});
  return out;
}

}  // namespace rooftop::inference
