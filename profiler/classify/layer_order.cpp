#include "profiler/classify/layer_order.h"

#include <algorithm>
#include <optional>

#include "profiler/classify/layer_products.h"

namespace rooftop {
namespace {

bool is_attention(const Token& token) {
  return token.op == Operator::kQkPv || token.op == Operator::kQk || token.op == Operator::kPv;
}

// Attention as two products around a softmax, where no kernel does it all.
class UnfusedAttention {
 public:
  UnfusedAttention(std::span<Token> tokens, RuleTexts& rules)
      : tokens_(tokens), why_(rules.intern("order: beside a softmax")) {}

  void find() {
    if (std::any_of(tokens_.begin(), tokens_.end(), is_attention)) return;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!tokens_[i].decided() && contains(tokens_[i].operators, Operator::kSoftmax) &&
          tokens_[i].named && !contains(tokens_[i].operators, Operator::kNorm)) {
        around(i);
      } else if (tokens_[i].op == Operator::kSoftmax) {
        around(i);
      }
    }
  }

 private:
  // Scaling, masking and copies may lie between.
  static constexpr std::size_t kFarthest = 8;

  // What cannot lie between a softmax and its products.
  static bool stops(const Token& t) {
    return t.separates() || t.op == Operator::kActivation || t.op == Operator::kEmbed ||
           t.op == Operator::kSampling || t.op == Operator::kRope || t.training;
  }

  std::optional<std::size_t> product_before(std::size_t at) const {
    for (std::size_t i = at; i > 0 && at - i < kFarthest;) {
      --i;
      if (tokens_[i].is_product()) return i;
      if (stops(tokens_[i])) break;
    }
    return std::nullopt;
  }
  std::optional<std::size_t> product_after(std::size_t at) const {
    for (std::size_t i = at + 1; i < tokens_.size() && i - at <= kFarthest; ++i) {
      if (tokens_[i].is_product()) return i;
      if (stops(tokens_[i])) break;
    }
    return std::nullopt;
  }

  void around(std::size_t softmax) {
    const auto qk = product_before(softmax);
    const auto pv = product_after(softmax);
    if (!qk || !pv || tokens_[*qk].decided() || tokens_[*pv].decided()) return;
    if (!contains(tokens_[*qk].operators, Operator::kQk) ||
        !contains(tokens_[*pv].operators, Operator::kPv)) {
      return;
    }
    tokens_[*qk].decide(Operator::kQk, why_);
    if (!tokens_[softmax].decided()) tokens_[softmax].decide(Operator::kSoftmax, why_);
    tokens_[*pv].decide(Operator::kPv, why_);
  }

  std::span<Token> tokens_;
  RuleTexts::Id why_;
};

std::vector<AttentionGroup> find_groups(std::span<const Token> tokens) {
  std::vector<AttentionGroup> groups;
  bool open = false;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (is_attention(tokens[i])) {
      // A second QK begins another layer, even where its projections were not seen.
      const bool again = open && tokens[i].op == Operator::kQk &&
                         tokens[groups.back().tokens.end - 1].op == Operator::kPv;
      if (!open || again) groups.push_back({.tokens = {i, i}, .layer_begin = i});
      groups.back().tokens.end = i + 1;
      open = true;
    } else if (tokens[i].is_product() || tokens[i].op == Operator::kNorm) {
      open = false;
    }
  }
  return groups;
}

// Where one forward pass ends and the next begins, between two layers' attention.
class Boundaries {
 public:
  explicit Boundaries(std::span<const Token> tokens) : tokens_(tokens) {}

  // The first token of the next pass, where something between marks one.
  [[nodiscard]] std::optional<std::size_t> find(TokenRange between) const {
    if (const auto cut = change_of_marker(between)) return cut;
    std::size_t products = 0;
    std::optional<std::size_t> last_sampling;
    for (std::size_t i = between.begin; i < between.end; ++i) {
      products += tokens_[i].is_product() ? 1 : 0;
      // Before the MLP an embedding is another gather: rows that the head needs, experts.
      if (products < kFewestInLayer) continue;
      if (tokens_[i].op == Operator::kSampling) last_sampling = i;
      if (contains(tokens_[i].operators, Operator::kEmbed) && tokens_[i].named &&
          product_follows(i, between.end)) {
        return last_sampling ? widest_gap(*last_sampling, i) : i;
      }
    }
    if (!last_sampling || !product_follows(*last_sampling, between.end)) return std::nullopt;
    return widest_gap(*last_sampling, next_work(*last_sampling, between.end));
  }

  // The token after which the device waited longest, among those behind `from` and up to `to`.
  [[nodiscard]] std::size_t widest_gap(std::size_t from, std::size_t to) const {
    std::size_t best = to;
    std::int64_t widest = -1;
    for (std::size_t i = from + 1; i <= to; ++i) {
      const std::int64_t gap = (tokens_[i].begin - tokens_[i - 1].end).ns;
      if (gap > widest) {
        widest = gap;
        best = i;
      }
    }
    return best;
  }

  [[nodiscard]] std::size_t next_work(std::size_t from, std::size_t end) const {
    for (std::size_t i = from + 1; i < end; ++i) {
      if (tokens_[i].is_product() || tokens_[i].separates()) return i;
    }
    return end - 1;
  }

 private:
  static constexpr std::size_t kFewestInLayer = 2;  // output projection, one product of the MLP

  [[nodiscard]] bool product_follows(std::size_t from, std::size_t end) const {
    for (std::size_t i = from + 1; i < end; ++i) {
      if (tokens_[i].is_product()) return true;
    }
    return false;
  }

  // The ranges of the two layers name two steps. Launches between may have none.
  [[nodiscard]] std::optional<std::size_t> change_of_marker(TokenRange between) const {
    if (between.begin == 0 || between.end >= tokens_.size()) return std::nullopt;
    const std::uint32_t before = tokens_[between.begin - 1].marker;
    const std::uint32_t after = tokens_[between.end].marker;
    if (before == after) return std::nullopt;
    std::size_t cut = between.end;
    while (cut > between.begin && tokens_[cut - 1].marker == after) --cut;
    return cut;
  }

  std::span<const Token> tokens_;
};

class LayerFinder {
 public:
  LayerFinder(std::span<Token> tokens, std::span<const ProductSize> products, RuleTexts& rules)
      : tokens_(tokens), labels_(tokens, products, rules), boundaries_(tokens) {}

  LayerStructure find() {
    structure_.groups = find_groups(tokens_);
    if (structure_.groups.empty()) return std::move(structure_);
    for (std::size_t i = 0; i < structure_.groups.size(); ++i) {
      if (i == 0) {
        begin_run(0, 0);
        enter({0, structure_.groups[0].tokens.begin}, 0);
      } else {
        between(i);
      }
    }
    const std::size_t end = tokens_.size();
    leave({structure_.groups.back().tokens.end, end});
    structure_.runs.back().tokens.end = end;
    return std::move(structure_);
  }

 private:
  void begin_run(std::size_t group, std::size_t token) {
    structure_.runs.push_back({.first_group = group, .groups = 1, .tokens = {token, token}});
  }

  // The tokens in front of a run's first attention.
  void enter(TokenRange range, std::size_t group) {
    structure_.groups[group].layer_begin = labels_.entry(range);
    structure_.runs.back().embeds = std::any_of(
        tokens_.begin() + static_cast<std::ptrdiff_t>(range.begin),
        tokens_.begin() + static_cast<std::ptrdiff_t>(range.end),
        [](const Token& t) { return t.named && contains(t.operators, Operator::kEmbed); });
  }

  // The tokens behind its last one.
  void leave(TokenRange range) {
    const ExitLabels labels = labels_.exit(range);
    structure_.runs.back().layers_end = labels.layers_end;
    structure_.runs.back().has_head = labels.head.has_value();
  }

  void between(std::size_t group) {
    const TokenRange range{structure_.groups[group - 1].tokens.end,
                           structure_.groups[group].tokens.begin};
    std::optional<std::size_t> cut = boundaries_.find(range);
    if (!cut) {
      const BlockLabels block = labels_.block(range);
      structure_.groups[group].layer_begin = block.next_layer;
      if (!block.head) {
        ++structure_.runs.back().groups;
        return;
      }
      cut = boundaries_.widest_gap(*block.head, boundaries_.next_work(*block.head, range.end));
      structure_.runs.back().layers_end = block.layers_end;
      structure_.runs.back().has_head = true;
      structure_.runs.back().tokens.end = *cut;
      begin_run(group, *cut);
      structure_.groups[group].layer_begin = std::max(block.next_layer, *cut);
      return;
    }
    leave({range.begin, *cut});
    structure_.runs.back().tokens.end = *cut;
    begin_run(group, *cut);
    enter({*cut, range.end}, group);
  }

  std::span<Token> tokens_;
  LayerProducts labels_;
  Boundaries boundaries_;
  LayerStructure structure_;
};

}  // namespace

LayerStructure find_layers(std::span<Token> tokens, std::span<const ProductSize> products,
                           RuleTexts& rules) {
  UnfusedAttention(tokens, rules).find();
  return LayerFinder(tokens, products, rules).find();
}

}  // namespace rooftop
