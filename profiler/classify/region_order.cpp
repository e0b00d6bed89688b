#include "profiler/classify/region_order.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace rooftop {
namespace {

using enum Operator;

bool is_attention(Operator op) { return family_of(op) == SeriesFamily::kQkPv; }
bool is_qkv(Operator op) { return family_of(op) == SeriesFamily::kQkvMlp; }
bool is_gate_or_up(Operator op) {
  return op == kGateUp || op == kGateUpAct || op == kGate || op == kUp;
}

// Open: known by a rule of the table, as one of several things.
bool open(const Token& token) {
  return !token.decided() && token.named && !token.companion && !token.training;
}
bool may_be(const Token& token, Operator op) { return contains(token.operators, op); }

class RegionOrder {
 public:
  RegionOrder(std::span<Token> tokens, RuleTexts& rules)
      : tokens_(tokens),
        residual_(rules.intern("order: between a product and the norm behind it")),
        norm_(rules.intern("order: beside the kernels of a norm")),
        mlp_(rules.intern("order: within the MLP")),
        rope_(rules.intern("order: between QKV and attention")),
        after_attention_(rules.intern("order: between attention and output projection")),
        before_layers_(rules.intern("order: beside cosines and sines, before the first layer")),
        after_layers_(rules.intern("order: behind the last layer")) {}

  void run(const LayerRun& run, std::span<AttentionGroup> groups, std::int32_t first_layer) {
    for (AttentionGroup& group : groups) extend_to_norm(group, run.tokens.begin);
    before_layers({run.tokens.begin, groups.front().layer_begin});
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const bool last = i + 1 == groups.size();
      const std::size_t end = last ? run.layers_end : groups[i + 1].layer_begin;
      const TokenRange tokens{groups[i].layer_begin, std::max(end, groups[i].tokens.end)};
      layer(tokens, groups[i].tokens);
      number(tokens, first_layer + static_cast<std::int32_t>(i));
    }
    after_layers({std::max(run.layers_end, groups.back().tokens.end), run.tokens.end});
  }

 private:
  // The first kernel of a norm in several parts is a conversion, which could be anything.
  void extend_to_norm(AttentionGroup& group, std::size_t earliest) {
    std::size_t& begin = group.layer_begin;
    if (begin >= tokens_.size() || tokens_[begin].op != kNorm) return;
    while (begin > earliest && open(tokens_[begin - 1]) && may_be(tokens_[begin - 1], kNorm) &&
           !may_be(tokens_[begin - 1], kResidual)) {
      --begin;
    }
  }

  void number(TokenRange range, std::int32_t layer) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (tokens_[i].layer < 0) tokens_[i].layer = layer;
    }
  }

  void before_layers(TokenRange range) {
    const auto is_wave = [](const Token& t) { return t.op == kRope; };
    const auto begin = tokens_.begin() + static_cast<std::ptrdiff_t>(range.begin);
    const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(range.end);
    const bool waves = std::any_of(begin, end, is_wave);
    bool embedded = false;
    for (std::size_t i = range.begin; i < range.end; ++i) {
      Token& token = tokens_[i];
      if (!embedded && open(token) && may_be(token, kEmbed)) token.decide(kEmbed, before_layers_);
      embedded = embedded || token.op == kEmbed;
      if (!waves || !embedded || token.decided() || !token.named) continue;
      if (may_be(token, kRope)) token.decide(kRope, before_layers_);
    }
  }

  enum class Place { kBetween, kPreAttention, kPostAttention, kMlp };

  void layer(TokenRange range, TokenRange attention) {
    Place place = Place::kBetween;
    std::size_t region = range.begin;
    for (std::size_t i = range.begin; i <= range.end; ++i) {
      Place next = place;
      if (i < range.end) {
        const Operator op = tokens_[i].op;
        if (is_qkv(op)) next = Place::kPreAttention;
        if (i >= attention.begin && i < attention.end) next = Place::kPostAttention;
        if (is_attention(op)) next = Place::kPostAttention;
        if (op == kOProj || op == kDown) next = Place::kBetween;
        if (is_gate_or_up(op)) next = Place::kMlp;
      }
      const bool product = i < range.end && tokens_[i].is_product();
      if (next == place && !product && i < range.end) continue;
      decide(place, {region, i});
      place = next;
      region = i;
    }
  }

  void decide(Place place, TokenRange range) {
    switch (place) {
      case Place::kBetween:
        return between(range);
      case Place::kPreAttention:
        return pre_attention(range);
      case Place::kPostAttention:
        return fill(range, {kSoftmax, kOther}, after_attention_);
      case Place::kMlp:
        return fill(range, {kActivation, kOther}, mlp_);
    }
  }

  // The first of the choices that a launch can be.
  void fill(TokenRange range, std::initializer_list<Operator> choices, RuleTexts::Id why) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      Token& token = tokens_[i];
      if (!open(token) || token.is_product()) continue;
      for (const Operator op : choices) {
        if (!may_be(token, op)) continue;
        token.decide(op, why);
        break;
      }
    }
  }

  // The residual stream is added to before the norm reads it.
  void between(TokenRange range) {
    bool added = false;
    bool normed = false;
    const bool has_norm = std::any_of(tokens_.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                      tokens_.begin() + static_cast<std::ptrdiff_t>(range.end),
                                      [](const Token& token) { return token.op == kNorm; });
    for (std::size_t i = range.begin; i < range.end; ++i) {
      Token& token = tokens_[i];
      normed = normed || token.op == kNorm;
      if (!open(token) || token.is_product()) continue;
      if (!added && !normed && may_be(token, kResidual)) {
        token.decide(kResidual, residual_);
        added = true;
      } else if (has_norm && may_be(token, kNorm)) {
        token.decide(kNorm, norm_);
      } else if (has_norm && may_be(token, kOther)) {
        token.decide(kOther, norm_);
      }
    }
  }

  // Norms of Q and K, then the rotation, whose last kernel is a sum; then the cache, and copies.
  void pre_attention(TokenRange range) {
    decide_head_norms(range);
    std::size_t last_sure = range.end;
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (tokens_[i].op == kRope) last_sure = i;
    }
    if (last_sure == range.end) return cache_only(range);
    std::size_t end = last_sure + 1;
    for (std::size_t i = last_sure + 1; i < range.end; ++i) {
      if (open(tokens_[i]) && tokens_[i].sum && may_be(tokens_[i], kRope)) {
        end = i + 1;
        break;
      }
    }
    fill({range.begin, end}, {kRope, kOther}, rope_);
    for (std::size_t i = end; i < range.end; ++i) {
      Token& token = tokens_[i];
      if (!open(token) || token.is_product()) continue;
      // Joining with what the cache holds; a copy to another layout is neither.
      const bool joins = may_be(token, kKvWrite) && !may_be(token, kNorm);
      if (joins || may_be(token, kOther)) token.decide(joins ? kKvWrite : kOther, rope_);
    }
  }

  // Without a rotation nothing tells copies apart but the names that only caches are written with.
  void cache_only(TokenRange range) {
    for (std::size_t i = range.begin; i < range.end; ++i) {
      Token& token = tokens_[i];
      if (open(token) && token.operators == (kKvWrite | kOther)) token.decide(kKvWrite, rope_);
    }
  }

  // What stands between the sure kernels of one norm, the conversion in front of them, and the
  // scaling behind them.
  void decide_head_norms(TokenRange range) {
    constexpr std::size_t kScaling = 3;
    std::size_t last = range.end;
    for (std::size_t i = range.begin; i < range.end; ++i) {
      if (tokens_[i].op != kNorm) continue;
      const std::size_t from = last == range.end ? (i > range.begin ? i - 1 : i) : last;
      const bool same = last != range.end && i - last <= kScaling;
      for (std::size_t j = same ? from : (i > range.begin ? i - 1 : i); j < i; ++j) norm(j);
      last = i;
    }
    if (last == range.end) return;
    for (std::size_t j = last + 1; j < std::min(range.end, last + 1 + kScaling); ++j) {
      if (!open(tokens_[j]) || !may_be(tokens_[j], kNorm)) break;
      norm(j);
    }
  }

  void norm(std::size_t i) {
    if (open(tokens_[i]) && may_be(tokens_[i], kNorm) && !tokens_[i].is_product()) {
      tokens_[i].decide(kNorm, norm_);
    }
  }

  void after_layers(TokenRange range) {
    bool head = false;
    bool normed = false;
    for (std::size_t i = range.begin; i < range.end; ++i) {
      Token& token = tokens_[i];
      head = head || token.op == kLmHead;
      normed = normed || token.op == kNorm;
      if (!open(token) || token.is_product()) continue;
      const Operator first = head ? kSampling : kNorm;
      if (!head && !normed && may_be(token, kResidual)) {
        token.decide(kResidual, residual_);
      } else if (may_be(token, first)) {
        token.decide(first, after_layers_);
      } else if (may_be(token, kOther)) {
        token.decide(kOther, after_layers_);
      }
    }
  }

  std::span<Token> tokens_;
  RuleTexts::Id residual_;
  RuleTexts::Id norm_;
  RuleTexts::Id mlp_;
  RuleTexts::Id rope_;
  RuleTexts::Id after_attention_;
  RuleTexts::Id before_layers_;
  RuleTexts::Id after_layers_;
};

}  // namespace

void decide_by_region(std::span<Token> tokens, LayerStructure& structure,
                      std::span<const std::int32_t> first_layer, RuleTexts& rules) {
  RegionOrder order(tokens, rules);
  for (std::size_t i = 0; i < structure.runs.size(); ++i) {
    const LayerRun& run = structure.runs[i];
    order.run(run, std::span(structure.groups).subspan(run.first_group, run.groups),
              first_layer[i]);
  }
}

void decide_companions(std::span<Token> tokens, RuleTexts& rules) {
  const RuleTexts::Id why = rules.intern("beside the product that it works for");
  // A product's parts follow it at once; other streams may run in between.
  constexpr std::size_t kFarthest = 8;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    Token& token = tokens[i];
    if (!token.companion && !token.memset) continue;
    for (std::size_t step = 1; step <= kFarthest; ++step) {
      if (token.memset ? i + step >= tokens.size() : step > i) break;
      const Token& other = tokens[token.memset ? i + step : i - step];
      if (other.stream != token.stream) continue;
      if (!other.is_product() || !other.decided()) break;
      token.decide(other.op, why);
      token.layer = other.layer;
      token.part = true;
      break;
    }
  }
}

void mark_parts(std::span<Token> tokens) {
  std::array<bool, kOperatorCount> seen{};  // in this layer
  std::int32_t layer = -1;
  const Token* last = nullptr;
  for (Token& token : tokens) {
    if (token.part || token.copy || !token.decided()) continue;
    if (token.layer != layer) seen.fill(false);
    layer = token.layer;
    const auto op = static_cast<std::size_t>(token.op);
    // A layer has two norms and two residuals, each perhaps in several kernels.
    const bool repeats = token.op == kNorm || token.op == kResidual;
    const bool follows = last != nullptr && last->op == token.op && last->layer == token.layer;
    token.part = repeats ? follows : seen[op];
    // Norms of Q and K are far smaller than the closed form's.
    const bool projected =
        seen[static_cast<std::size_t>(kQkv)] || seen[static_cast<std::size_t>(kQ)];
    if (token.op == kNorm && projected && !seen[static_cast<std::size_t>(kOProj)]) {
      token.part = true;
    }
    seen[op] = true;
    last = &token;
  }
}

}  // namespace rooftop
