// An independent account of every operator: small random models and ragged steps are walked index
// by index, as a naive implementation would compute them. Each multiply-add is counted, and each
// tensor element that is read or written is put into a set, so that it counts once. Nothing here
// uses a product of dimensions.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "profiler/model/cost.h"

namespace rooftop {
namespace {

enum class Kind { kWeight, kActivation, kKv };

struct Walk {
  using Element = std::tuple<const char*, int, int, int, int>;  // tensor and index
  double macs = 0;
  double operations = 0;  // elementwise
  std::map<Kind, std::set<Element>> reads;
  std::map<Kind, std::set<Element>> writes;

  void read(Kind kind, const char* tensor, int a, int b = 0, int c = 0, int e = 0) {
    reads[kind].insert({tensor, a, b, c, e});
  }
  void write(Kind kind, const char* tensor, int a, int b = 0, int c = 0, int e = 0) {
    writes[kind].insert({tensor, a, b, c, e});
  }
};

struct Sequence {
  int query = 0;
  int length = 0;
};

struct Case {
  ModelShape model;
  std::vector<Sequence> sequences;
  int logit_rows = 0;
  bool skip = false;

  [[nodiscard]] int rows() const {
    int sum = 0;
    for (const Sequence& s : sequences) sum += s.query;
    return sum;
  }
};

StepShape step_of(const Case& c) {
  StepShape step;
  for (const Sequence& s : c.sequences) {
    for (int row = 0; row < s.query; ++row) {
      ++step.total_query_tokens;
      for (int key = 0; key < s.length; ++key) {
        ++step.attention_pairs;
        if (key <= s.length - s.query + row) ++step.causal_pairs;
      }
    }
    for (int key = 0; key < s.length; ++key) ++step.total_keys;
    ++step.batch;
  }
  step.logit_rows = c.logit_rows;
  return step;
}

// y = x * W^T; `outputs` names one output tensor for each weight matrix.
void walk_linear(Walk& walk, int rows, int in, int out, const char* weight, const char* output) {
  for (int row = 0; row < rows; ++row) {
    for (int o = 0; o < out; ++o) {
      for (int i = 0; i < in; ++i) {
        walk.macs += 1;
        walk.read(Kind::kActivation, "x", row, i);
        walk.read(Kind::kWeight, weight, o, i);
      }
      walk.write(Kind::kActivation, output, row, o);
    }
  }
}

enum AttentionPart { kScores = 1, kNormalise = 2, kOutput = 4 };

// Attention head by head and pair by pair. With all parts in one kernel the scores stay inside it.
void walk_attention(Walk& walk, const Case& c, int parts) {
  const int n = static_cast<int>(c.model.heads);
  const int group = n / static_cast<int>(c.model.kv_heads);
  const int d = static_cast<int>(c.model.head_dim);
  const bool fused = parts == (kScores | kNormalise | kOutput);
  int sequence_index = 0;
  for (const Sequence& s : c.sequences) {
    const int b = sequence_index++;
    for (int head = 0; head < n; ++head) {
      for (int row = 0; row < s.query; ++row) {
        for (int key = 0; key < s.length; ++key) {
          if (c.skip && key > s.length - s.query + row) continue;
          const int pair = row * 1000 + key;
          if ((parts & kOutput) != 0 && !fused) walk.read(Kind::kActivation, "p", b, head, pair);
          if ((parts & kNormalise) != 0 && !fused) {
            walk.operations += 5;
            walk.read(Kind::kActivation, "s", b, head, pair);
            walk.write(Kind::kActivation, "p", b, head, pair);
          }
          if ((parts & kScores) != 0 && !fused) walk.write(Kind::kActivation, "s", b, head, pair);
          for (int e = 0; e < d; ++e) {
            if ((parts & kScores) != 0) {
              walk.macs += 1;
              walk.read(Kind::kActivation, "q", b, head, row, e);
              walk.read(Kind::kKv, "k", b, head / group, key, e);
            }
            if ((parts & kOutput) != 0) {
              walk.macs += 1;
              walk.read(Kind::kKv, "v", b, head / group, key, e);
              walk.write(Kind::kActivation, "o", b, head, row, e);
            }
          }
        }
      }
    }
  }
}

void walk_norm(Walk& walk, int rows, int width) {
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < width; ++i) {
      walk.operations += 2;  // square, add to the mean
      walk.operations += 2;  // scale, weight
      walk.read(Kind::kActivation, "x", row, i);
      walk.read(Kind::kWeight, "w", i);
      walk.write(Kind::kActivation, "y", row, i);
    }
  }
}

void walk_rope(Walk& walk, const char* tensor, int rows, int heads, int d) {
  for (int row = 0; row < rows; ++row) {
    for (int head = 0; head < heads; ++head) {
      for (int e = 0; e < d / 2; ++e) {
        walk.operations += 6;  // (a cos - b sin, b cos + a sin)
        for (const int half : {e, e + d / 2}) {
          walk.read(Kind::kActivation, tensor, row, head, half);
          walk.write(Kind::kActivation, tensor, row, head, half);
        }
      }
    }
  }
}

Walk walk_elementwise(const Case& c, Operator op) {
  Walk walk;
  const int h = static_cast<int>(c.model.hidden);
  const int i = static_cast<int>(c.model.ffn);
  const int g = static_cast<int>(c.model.kv_heads);
  const int d = static_cast<int>(c.model.head_dim);
  if (op == Operator::kRope) {
    walk_rope(walk, "q", c.rows(), static_cast<int>(c.model.heads), d);
    walk_rope(walk, "k", c.rows(), g, d);
  }
  for (int row = 0; row < c.rows(); ++row) {
    for (int e = 0; op == Operator::kActivation && e < i; ++e) {
      walk.operations += 5;
      walk.read(Kind::kActivation, "gate", row, e);
      walk.read(Kind::kActivation, "up", row, e);
      walk.write(Kind::kActivation, "a", row, e);
    }
    for (int e = 0; op == Operator::kResidual && e < h; ++e) {
      walk.operations += 1;
      walk.read(Kind::kActivation, "x", row, e);
      walk.read(Kind::kActivation, "y", row, e);
      walk.write(Kind::kActivation, "x", row, e);
    }
    for (int e = 0; op == Operator::kEmbed && e < h; ++e) {
      walk.read(Kind::kWeight, "table", row, e);  // all tokens different
      walk.write(Kind::kActivation, "x", row, e);
    }
    for (int head = 0; op == Operator::kKvWrite && head < g; ++head) {
      for (int e = 0; e < d; ++e) {
        for (const char* tensor : {"k", "v"}) {
          walk.read(Kind::kActivation, tensor, row, head, e);
          walk.write(Kind::kKv, tensor, row, head, e);
        }
      }
    }
  }
  for (int row = 0; op == Operator::kSampling && row < c.logit_rows; ++row) {
    for (std::uint32_t v = 0; v < c.model.vocab; ++v) {
      walk.operations += 1;
      walk.read(Kind::kActivation, "logits", row, static_cast<int>(v));
    }
  }
  return walk;
}

Walk walk_of(const Case& c, Operator op, int layer) {
  Walk walk;
  const int h = static_cast<int>(c.model.hidden);
  const int i = static_cast<int>(c.model.ffn);
  const int q_width = static_cast<int>(c.model.heads * c.model.head_dim);
  const int kv_width = static_cast<int>(c.model.kv_heads * c.model.head_dim);
  const int rows = c.rows();
  switch (op) {
    case Operator::kQkv:
      walk_linear(walk, rows, h, q_width, "wq", "q");
      walk_linear(walk, rows, h, kv_width, "wk", "k");
      walk_linear(walk, rows, h, kv_width, "wv", "v");
      return walk;
    case Operator::kQ:
      walk_linear(walk, rows, h, q_width, "wq", "q");
      return walk;
    case Operator::kK:
    case Operator::kV:
      walk_linear(walk, rows, h, kv_width, "w", "y");
      return walk;
    case Operator::kGateUp:
      walk_linear(walk, rows, h, i, "wg", "gate");
      walk_linear(walk, rows, h, i, "wu", "up");
      return walk;
    case Operator::kGateUpAct:  // both products, one output
      walk_linear(walk, rows, h, i, "wg", "a");
      walk_linear(walk, rows, h, i, "wu", "a");
      return walk;
    case Operator::kGate:
    case Operator::kUp:
      walk_linear(walk, rows, h, i, "w", "y");
      return walk;
    case Operator::kDown:
      walk_linear(walk, rows, i, h, "w", "y");
      return walk;
    case Operator::kOProj:
      walk_linear(walk, rows, q_width, h, "w", "y");
      return walk;
    case Operator::kLmHead:
      walk_linear(walk, c.logit_rows, h, static_cast<int>(c.model.vocab), "w", "y");
      return walk;
    case Operator::kQk:
      walk_attention(walk, c, kScores);
      return walk;
    case Operator::kSoftmax:
      walk_attention(walk, c, kNormalise);
      return walk;
    case Operator::kPv:
      walk_attention(walk, c, kOutput);
      return walk;
    case Operator::kQkPv:
      walk_attention(walk, c, kScores | kNormalise | kOutput);
      return walk;
    case Operator::kNorm:
      walk_norm(walk, layer < 0 ? c.logit_rows : rows, h);
      return walk;
    default:
      return walk_elementwise(c, op);
  }
}

Case random_case(std::mt19937& random) {
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Case c;
  const int g = between(1, 3);
  c.model = {.name = "random",
             .hidden = static_cast<std::uint32_t>(between(1, 12)),
             .layers = 1,
             .heads = static_cast<std::uint32_t>(g * between(1, 3)),
             .kv_heads = static_cast<std::uint32_t>(g),
             .head_dim = static_cast<std::uint32_t>(2 * between(1, 4)),
             .ffn = static_cast<std::uint32_t>(between(1, 14)),
             .vocab = static_cast<std::uint32_t>(between(1, 20))};
  const int batch = between(1, 3);
  for (int b = 0; b < batch; ++b) {
    const int query = between(1, 5);
    c.sequences.push_back({.query = query, .length = query + between(0, 6)});
  }
  c.logit_rows = between(1, batch);
  c.skip = between(0, 1) == 1;
  return c;
}

double size_of(const std::map<Kind, std::set<Walk::Element>>& touched, Kind kind) {
  const auto it = touched.find(kind);
  return it == touched.end() ? 0 : static_cast<double>(it->second.size());
}

TEST(CostOracle, EveryOperatorAgreesWithALiteralWalk) {
  std::mt19937 random(20240119);
  int compared = 0;
  for (int round = 0; round < 60; ++round) {
    const Case c = random_case(random);
    const StepShape step = step_of(c);
    for (int index = 0; index < kOperatorCount; ++index) {
      const auto op = static_cast<Operator>(index);
      for (const int layer : {0, -1}) {
        const auto cost = operator_cost(op, layer, c.model, step, c.skip);
        if (!cost) continue;
        const Walk walk = walk_of(c, op, layer);
        SCOPED_TRACE(name_of(op));
        EXPECT_EQ(cost->flops, 2 * walk.macs + (walk.macs > 0 ? 0 : walk.operations));
        EXPECT_EQ(cost->read.weights, size_of(walk.reads, Kind::kWeight));
        EXPECT_EQ(cost->read.activations, size_of(walk.reads, Kind::kActivation));
        EXPECT_EQ(cost->read.kv, size_of(walk.reads, Kind::kKv));
        EXPECT_EQ(cost->written.weights, size_of(walk.writes, Kind::kWeight));
        EXPECT_EQ(cost->written.activations, size_of(walk.writes, Kind::kActivation));
        EXPECT_EQ(cost->written.kv, size_of(walk.writes, Kind::kKv));
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 60 * 2 * 22);  // 22 operators have a closed form
}

TEST(CostOracle, UniformStepsAreTheSumsOfTheirSequences) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Case c = random_case(random);
    for (Sequence& s : c.sequences) s = c.sequences.front();
    c.logit_rows = static_cast<int>(c.sequences.size());
    const StepShape walked = step_of(c);
    const StepShape closed = uniform_step(static_cast<std::uint32_t>(c.sequences.size()),
                                          static_cast<std::uint32_t>(c.sequences[0].query),
                                          static_cast<std::uint32_t>(c.sequences[0].length));
    EXPECT_EQ(closed.batch, walked.batch);
    EXPECT_EQ(closed.total_query_tokens, walked.total_query_tokens);
    EXPECT_EQ(closed.total_keys, walked.total_keys);
    EXPECT_EQ(closed.attention_pairs, walked.attention_pairs);
    EXPECT_EQ(closed.causal_pairs, walked.causal_pairs);
    EXPECT_EQ(closed.logit_rows, walked.logit_rows);
  }
}

}  // namespace
}  // namespace rooftop
