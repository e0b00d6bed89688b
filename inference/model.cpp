#include "inference/model.h"

namespace rooftop::inference {

TensorShape shape_of(TensorKind kind, const Config& config) {
  const std::int64_t q = config.heads * config.head_dim;
  const std::int64_t kv = config.kv_heads * config.head_dim;
  switch (kind) {
    case TensorKind::kEmbedding:
    case TensorKind::kLmHead:
      return {config.vocab, config.hidden};
    case TensorKind::kAttentionNorm:
    case TensorKind::kMlpNorm:
    case TensorKind::kFinalNorm:
      return {1, config.hidden};
    case TensorKind::kQ:
      return {q, config.hidden};
    case TensorKind::kK:
    case TensorKind::kV:
      return {kv, config.hidden};
    case TensorKind::kO:
      return {config.hidden, q};
    case TensorKind::kGate:
    case TensorKind::kUp:
      return {config.ffn, config.hidden};
    case TensorKind::kDown:
      return {config.hidden, config.ffn};
  }
  return {};
}

}  // namespace rooftop::inference
