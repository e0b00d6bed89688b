#include "profiler/capture/session_records.h"

#include <algorithm>

namespace rooftop::capture {

ScopeRecord to_scope(const ScopeEvent& event, StringId name) {
  ScopeRecord r;
  r.id = event.id;
  r.parent = event.parent;
  r.begin = event.begin;
  r.end = event.end;
  r.thread = event.thread;
  r.name = name;
  if (event.kind == ScopeEvent::Kind::kOp) {
    const nvtx::OpPayload& op = event.payload.op;
    r.kind = ScopeKind::kOp;
    r.op = op.op < kOperatorCount ? static_cast<Operator>(op.op) : Operator::kUnclassified;
    r.layer = op.layer;
    r.fused_mask = op.fused_mask;
    return r;
  }
  if (event.kind == ScopeEvent::Kind::kForeign) return r;
  const nvtx::StepPayload& step = event.payload.step;
  r.kind = ScopeKind::kStep;
  r.phase = step.phase <= static_cast<std::uint32_t>(Phase::kMixed) ? static_cast<Phase>(step.phase)
                                                                    : Phase::kUnknown;
  r.flags = step.flags;
  r.batch = step.batch;
  r.query_tokens = step.query_tokens;
  r.length = std::max(step.length, step.query_tokens);
  r.logit_rows = step.logit_rows != 0 ? step.logit_rows : step.batch;
  const std::uint64_t b = step.batch;
  const std::uint64_t q = step.query_tokens;
  const std::uint64_t l =
      std::max(step.length, step.query_tokens);  // new tokens are among the keys
  const bool alike = step.total_query_tokens == 0;
  r.total_query_tokens = alike ? b * q : step.total_query_tokens;
  r.total_keys = alike ? b * l : step.total_keys;
  r.attention_pairs = alike ? b * q * l : step.attention_pairs;
  r.causal_pairs = alike ? b * (q * l - (q > 0 ? q * (q - 1) / 2 : 0)) : step.causal_pairs;
  return r;
}

KernelRecord to_kernel(const ScopeRecord& scope, KernelId id) {
  KernelRecord k;
  k.id = id;
  k.stream = scope.thread;
  k.begin = scope.begin;
  k.end = scope.end;
  k.name = scope.name;
  k.scope = scope.id;
  return k;
}

Meta to_meta(const ScopeEvent& event) {
  const nvtx::ModelPayload& m = event.payload.model;
  Meta meta;
  meta.model = {.name = event.name.data(),
                .hidden = m.hidden,
                .layers = m.layers,
                .heads = m.heads,
                .kv_heads = m.kv_heads,
                .head_dim = m.head_dim,
                .ffn = m.ffn,
                .vocab = m.vocab,
                .tied_embeddings = m.tied_embeddings != 0,
                .max_positions = m.max_positions};
  meta.layers_run = m.layers_run;
  meta.attention = m.flash != 0 ? "flash" : "unfused";
  meta.causal_skip = m.causal_skip != 0;
  meta.weight_bytes = m.weight_bytes;
  meta.activation_bytes = m.activation_bytes;
  meta.kv_bytes = m.kv_bytes;
  return meta;
}

}  // namespace rooftop::capture
