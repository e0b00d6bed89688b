#include "profiler/classify/shape_inference.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace rooftop {
namespace {

using enum Operator;

// The value that nearly all votes agree on.
class Votes {
 public:
  void add(double value) {
    if (value < 1 || value > kLargest) return;
    ++votes_[static_cast<std::uint32_t>(value)];
    ++total_;
  }
  [[nodiscard]] std::uint32_t winner() const {
    constexpr double kAgreement = 0.9;
    const auto best =
        std::max_element(votes_.begin(), votes_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == votes_.end()) return 0;
    return static_cast<double>(best->second) >= kAgreement * static_cast<double>(total_)
               ? best->first
               : 0;
  }

 private:
  static constexpr double kLargest = 1e9;
  std::map<std::uint32_t, std::uint64_t> votes_;
  std::uint64_t total_ = 0;
};

struct ModelVotes {
  Votes hidden, qkv, q, kv, ffn, gate_up, vocab, heads, kv_heads, head_dim;

  void add(const Token& token, const ProductSize& size) {
    switch (token.op) {
      case kQkv:
        hidden.add(size.in);
        qkv.add(size.out);
        break;
      case kQ:
        hidden.add(size.in);
        q.add(size.out);
        break;
      case kK:
      case kV:
        hidden.add(size.in);
        kv.add(size.out);
        break;
      case kGate:
      case kUp:
        hidden.add(size.in);
        ffn.add(size.out);
        break;
      case kGateUp:
      case kGateUpAct:
        hidden.add(size.in);
        gate_up.add(size.out / 2);
        break;
      case kDown:
        hidden.add(size.out);
        ffn.add(size.in);
        break;
      case kOProj:
        hidden.add(size.out);
        q.add(size.in);
        break;
      case kLmHead:
        hidden.add(size.in);
        vocab.add(size.out);
        break;
      default:
        break;
    }
  }
};

std::uint32_t whole(double value) {
  constexpr double kLargest = 4294967295.0;
  return value >= 1 && value <= kLargest ? static_cast<std::uint32_t>(std::llround(value)) : 0;
}

// Of a step's launches, what each of them says.
struct StepEvidence {
  const AttentionCall* attention = nullptr;
  const RecordedShapes::Embedding* embedding = nullptr;
  double rows = 0;
  double head_rows = 0;
  bool init = false;  // kernels that only one phase has
  bool ar = false;
  bool training = false;
};

StepEvidence gather(std::span<const Token> tokens, const RecordedShapes& shapes) {
  StepEvidence evidence;
  for (const Token& token : tokens) {
    evidence.training = evidence.training || token.training;
    if (token.attention >= 0) {
      const AttentionCall& call = shapes.attentions[static_cast<std::size_t>(token.attention)];
      if (evidence.attention == nullptr || evidence.attention->batch == 0) {
        evidence.attention = &call;
      }
    }
    if (token.embedding >= 0) {
      evidence.embedding = &shapes.embeddings[static_cast<std::size_t>(token.embedding)];
    }
    if (token.product >= 0 && token.decided()) {
      const double rows = shapes.products[static_cast<std::size_t>(token.product)].rows;
      if (token.op == kLmHead) {
        evidence.head_rows = rows;
      } else if (token.op != kQk && token.op != kPv && token.op != kRope) {
        evidence.rows = std::max(evidence.rows, rows);
      }
    }
    // The head of a prefill may work on one row, like a step of decode.
    if (!token.decided() || token.op == kLmHead) continue;
    evidence.init = evidence.init || token.phase == Phase::kInit;
    evidence.ar = evidence.ar || token.phase == Phase::kAr;
  }
  return evidence;
}

// Rows per sequence, with what the cache already holds.
Phase phase_of_rows(double query_rows, double keys) {
  // More candidates than a speculative step verifies: a chunk of a prompt.
  constexpr double kMostCandidates = 64;
  if (query_rows == 1) return Phase::kAr;
  if (query_rows > kMostCandidates || query_rows == keys) return Phase::kInit;
  return Phase::kUnknown;
}

// Engines that join the sequences of a batch to one list of tokens compute logits for one row of
// each: as many rows of the head as tokens are one token a sequence.
bool one_row_each(const StepEvidence& evidence) {
  return evidence.embedding != nullptr && evidence.embedding->batch == 0 &&
         evidence.embedding->rows > 0 && evidence.embedding->rows == evidence.head_rows;
}

Phase phase_of(const StepEvidence& evidence, const RangeMeaning& annotation) {
  if (evidence.training) return Phase::kUnknown;
  if (annotation.phase != Phase::kUnknown) return annotation.phase;
  if (evidence.attention != nullptr && evidence.attention->batch > 0) {
    return phase_of_rows(evidence.attention->query_rows, evidence.attention->keys);
  }
  if (evidence.embedding != nullptr && evidence.embedding->batch > 0) {
    return phase_of_rows(evidence.embedding->rows, 0);
  }
  if (!evidence.init && one_row_each(evidence)) return Phase::kAr;
  if (evidence.init != evidence.ar) return evidence.init ? Phase::kInit : Phase::kAr;
  return evidence.init ? Phase::kMixed : Phase::kUnknown;
}

void set_uniform(Step& step, double batch, double rows, double keys, double head_rows) {
  step.batch = whole(batch);
  step.query_tokens = whole(rows);
  step.length = whole(keys);
  step.shape = uniform_step(step.batch, step.query_tokens, step.length, whole(head_rows));
}

}  // namespace

ModelShape infer_model(std::span<const Token> tokens, const RecordedShapes& shapes) {
  ModelVotes votes;
  for (const Token& token : tokens) {
    if (token.product >= 0 && !token.part) {
      votes.add(token, shapes.products[static_cast<std::size_t>(token.product)]);
    }
    if (token.embedding >= 0 && token.op == kEmbed) {
      const auto& table = shapes.embeddings[static_cast<std::size_t>(token.embedding)];
      votes.vocab.add(table.vocab);
      votes.hidden.add(table.hidden);
    }
    if (token.attention >= 0 && !token.part && token.op != kOther) {
      const AttentionCall& call = shapes.attentions[static_cast<std::size_t>(token.attention)];
      votes.heads.add(call.heads);
      votes.kv_heads.add(call.kv_heads);
      votes.head_dim.add(call.head_dim);
    }
  }
  ModelShape model;
  model.hidden = votes.hidden.winner();
  model.heads = votes.heads.winner();
  model.head_dim = votes.head_dim.winner();
  model.kv_heads = votes.kv_heads.winner();
  // K and V may have been repeated for the call: the projections know how many heads they make.
  const std::uint32_t d = model.head_dim;
  if (d > 0 && votes.kv.winner() % d == 0 && votes.kv.winner() > 0) {
    model.kv_heads = votes.kv.winner() / d;
  } else if (d > 0 && votes.qkv.winner() / d > model.heads) {
    model.kv_heads = (votes.qkv.winner() / d - model.heads) / 2;
  }
  model.ffn = votes.ffn.winner();
  if (model.ffn == 0) model.ffn = votes.gate_up.winner();
  model.vocab = votes.vocab.winner();
  return model;
}

Step infer_step(std::span<const Token> tokens, const RecordedShapes& shapes,
                const RangeMeaning& annotation) {
  const StepEvidence evidence = gather(tokens, shapes);
  Step step;
  step.phase = phase_of(evidence, annotation);
  const double annotated = annotation.context_tokens + annotation.generation_tokens;
  if (evidence.attention != nullptr && evidence.attention->batch > 0) {
    set_uniform(step, evidence.attention->batch, evidence.attention->query_rows,
                evidence.attention->keys, evidence.head_rows);
  } else if (annotated > 0) {
    const double batch = annotation.context_requests + annotation.generation_requests;
    set_uniform(step, batch, batch > 0 ? annotated / batch : 0, 0, evidence.head_rows);
    step.shape.total_query_tokens = annotated;
  } else if (evidence.embedding != nullptr && evidence.embedding->batch > 0) {
    set_uniform(step, evidence.embedding->batch, evidence.embedding->rows, 0, evidence.head_rows);
  } else if (step.phase == Phase::kAr && one_row_each(evidence)) {
    set_uniform(step, evidence.head_rows, 1, 0, evidence.head_rows);
  } else {
    step.shape.logit_rows = evidence.head_rows;
    step.shape.total_query_tokens = evidence.rows;
  }
  // What attention costs depends on keys that nobody recorded.
  if (step.length == 0) step.shape.attention_pairs = step.shape.causal_pairs = 0;
  return step;
}

}  // namespace rooftop
