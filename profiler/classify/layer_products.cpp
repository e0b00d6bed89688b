#include "profiler/classify/layer_products.h"

#include <algorithm>

namespace rooftop {

using enum Operator;

LayerProducts::LayerProducts(std::span<Token> tokens, std::span<const ProductSize> sizes,
                             RuleTexts& rules)
    : tokens_(tokens),
      sizes_(sizes),
      by_norms_(rules.intern("order: between attention, norms and activation")),
      by_experts_(rules.intern("order: in front of a mixture of experts")),
      by_count_(rules.intern("order: number of products between two layers' attention")) {}

std::vector<LayerProducts::Segment> LayerProducts::segments(TokenRange range) const {
  std::vector<Segment> parts;
  bool separated = true;
  bool begun = false;  // a separator was met: what precedes the first is no part of a layer
  std::size_t separator = range.begin;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const Token& token = tokens_[i];
    if (token.training) continue;
    if (token.separates()) {
      if (!separated || !begun) separator = i;
      separated = begun = true;
    } else if (token.is_product()) {
      if (separated) parts.push_back({.products = {}, .separator = separator});
      separated = false;
      parts.back().products.push_back(i);
    } else if (token.op == kActivation && !parts.empty() && !separated) {
      Segment& part = parts.back();
      if (!part.active) part.before_first_activation = part.size();
      part.before_last_activation = part.size();
      part.active = true;
      part.gated = part.gated || token.gated;
    } else if (!parts.empty() && parts.back().active && !token.decided() && token.named &&
               contains(token.operators, kActivation) && !contains(token.operators, kResidual)) {
      // The activated gate times up; not the next of its kind, which may serve a norm.
      if (!parts.back().multiplies) parts.back().before_last_activation = parts.back().size();
      parts.back().multiplies = true;
    }
  }
  return parts;
}

std::vector<LayerProducts::Segment> LayerProducts::parts_of(TokenRange range) {
  constexpr OperatorSet kExperts = kGateUp | kGateUpAct | kDown;
  std::vector<Segment> parts = segments(range);
  for (Segment& part : parts) {
    const auto is_expert = [&](std::size_t i) { return (tokens_[i].operators & ~kExperts) == 0; };
    // One product in front of the experts' two chooses among them.
    if (part.size() != 3 || is_expert(part.products[0]) || !is_expert(part.products[1]) ||
        !is_expert(part.products[2])) {
      continue;
    }
    Token& router = tokens_[part.products[0]];
    if (!router.decided()) router.decide(kOther, by_experts_);
    part.products.erase(part.products.begin());
    if (part.before_first_activation > 0) --part.before_first_activation;
    if (part.before_last_activation > 0) --part.before_last_activation;
  }
  return parts;
}

Operator LayerProducts::first_of_two(const Segment& segment, std::size_t first) const {
  const std::size_t one = segment.products[first];
  const std::size_t two = segment.products[first + 1];
  if (tokens_[one].decided()) return tokens_[one].op;
  if (tokens_[one].gated) return kGateUpAct;
  if (tokens_[one].product >= 0 && tokens_[two].product >= 0) {
    const ProductSize& up = sizes_[static_cast<std::size_t>(tokens_[one].product)];
    const ProductSize& down = sizes_[static_cast<std::size_t>(tokens_[two].product)];
    return up.out == down.in ? kUp : kGateUp;
  }
  return segment.active && !segment.gated && !segment.multiplies ? kUp : kGateUp;
}

bool LayerProducts::mlp_roles(const Segment& segment, std::size_t from, std::size_t to,
                              std::vector<Role>& roles) const {
  const std::size_t count = to - from;
  if (count != 2 && count != 3) return false;
  // The last product reads what the activation wrote.
  if (segment.active &&
      (segment.before_first_activation <= from || segment.before_last_activation >= to)) {
    return false;
  }
  if (count == 2) {
    roles.push_back({segment.products[from], first_of_two(segment, from)});
  } else {
    roles.push_back({segment.products[from], kGate});
    roles.push_back({segment.products[from + 1], kUp});
  }
  roles.push_back({segment.products[to - 1], kDown});
  return true;
}

bool LayerProducts::qkv_roles(std::span<const std::size_t> products, std::vector<Role>& roles) {
  if (products.size() == 1) {
    roles.push_back({products[0], kQkv});
    return true;
  }
  if (products.size() != 3) return false;
  roles.push_back({products[0], kQ});
  roles.push_back({products[1], kK});
  roles.push_back({products[2], kV});
  return true;
}

bool LayerProducts::out_and_mlp(const Segment& segment, std::vector<Role>& roles) const {
  if (segment.size() < 3) return false;
  if (!segment.active && segment.size() != 3) return false;
  roles.push_back({segment.products[0], kOProj});
  return mlp_roles(segment, 1, segment.size(), roles);
}

bool LayerProducts::mlp_and_qkv(const Segment& segment, std::vector<Role>& roles) const {
  if (!segment.active || segment.before_last_activation + 1 >= segment.size()) return false;
  const std::size_t mlp = segment.before_last_activation + 1;
  return mlp_roles(segment, 0, mlp, roles) &&
         qkv_roles(std::span(segment.products).subspan(mlp), roles);
}

bool LayerProducts::whole_layer(const Segment& segment, std::vector<Role>& roles) const {
  const std::size_t count = segment.size();
  std::size_t mlp_end = count == 4 ? 3 : count == 7 ? 4 : 0;
  if (segment.active) mlp_end = segment.before_last_activation + 1;
  if (mlp_end < 3 || mlp_end >= count) return false;
  roles.push_back({segment.products[0], kOProj});
  return mlp_roles(segment, 1, mlp_end, roles) &&
         qkv_roles(std::span(segment.products).subspan(mlp_end), roles);
}

// The parts between one attention and the next, without a head.
bool LayerProducts::middle(std::span<const Segment> parts, std::vector<Role>& roles) const {
  if (parts.size() == 5) {
    // Norms of Q and K stand behind their products.
    const std::vector<std::size_t> qkv = {parts[2].products[0], parts[3].products[0],
                                          parts[4].products[0]};
    return parts[2].size() + parts[3].size() + parts[4].size() == 3 && parts[0].size() == 1 &&
           mlp_roles(parts[1], 0, parts[1].size(), roles) && qkv_roles(qkv, roles) &&
           (roles.push_back({parts[0].products[0], kOProj}), true);
  }
  if (parts.size() == 3 && parts[0].size() == 1) {
    roles.push_back({parts[0].products[0], kOProj});
    return mlp_roles(parts[1], 0, parts[1].size(), roles) && qkv_roles(parts[2].products, roles);
  }
  if (parts.size() == 2) {
    if (parts[0].size() == 1) {
      roles.push_back({parts[0].products[0], kOProj});
      return mlp_and_qkv(parts[1], roles);
    }
    return out_and_mlp(parts[0], roles) && qkv_roles(parts[1].products, roles);
  }
  return parts.size() == 1 && whole_layer(parts[0], roles);
}

bool LayerProducts::decide(const std::vector<Role>& roles, RuleTexts::Id why) {
  const bool possible = std::all_of(roles.begin(), roles.end(), [&](const Role& role) {
    const Token& token = tokens_[role.token];
    return token.decided() ? token.op == role.op : contains(token.operators, role.op);
  });
  if (!possible) return false;
  for (const Role& role : roles) {
    if (!tokens_[role.token].decided()) tokens_[role.token].decide(role.op, why);
  }
  return true;
}

BlockLabels LayerProducts::block(TokenRange range) {
  std::vector<Segment> parts = parts_of(range);
  BlockLabels labels{.next_layer = range.end, .layers_end = range.end, .head = {}};
  if (parts.empty()) return labels;
  std::size_t qkv = parts.size() - 1;
  // One part more than a layer has, of one product: the head, and another pass behind it.
  const bool headed = parts.size() == 4 || parts.size() == 6;
  if (headed && parts[2].size() == 1) {
    labels.head = parts[2].products[0];
    labels.layers_end = parts[2].separator;
    if (!tokens_[*labels.head].decided() && contains(tokens_[*labels.head].operators, kLmHead)) {
      tokens_[*labels.head].decide(kLmHead, by_norms_);
    }
    parts.erase(parts.begin() + 2);
    qkv = parts.size() - 1;
  }
  if (parts.size() == 5) {
    qkv = 2;
    norms_part_qkv_ = true;
  }
  std::vector<Role> roles;
  if (middle(parts, roles)) decide(roles, parts.size() == 1 ? by_count_ : by_norms_);
  labels.next_layer = parts.size() > 1 ? parts[qkv].separator : parts[0].products.back();
  return labels;
}

std::size_t LayerProducts::entry(TokenRange range) {
  const std::vector<Segment> parts = parts_of(range);
  if (parts.empty()) return range.end;
  std::vector<Role> roles;
  if (norms_part_qkv_ && parts.size() >= 3) {
    const auto last = parts.end() - 3;
    if (last[0].size() + last[1].size() + last[2].size() == 3) {
      const std::vector<std::size_t> qkv = {last[0].products[0], last[1].products[0],
                                            last[2].products[0]};
      if (qkv_roles(qkv, roles)) decide(roles, by_norms_);
      return last->separator;
    }
  }
  if (qkv_roles(parts.back().products, roles)) decide(roles, by_norms_);
  return parts.back().separator;
}

ExitLabels LayerProducts::exit(TokenRange range) {
  const std::vector<Segment> parts = parts_of(range);
  ExitLabels labels{.layers_end = range.end, .head = {}};
  std::vector<Role> roles;
  if (parts.empty()) return labels;
  std::size_t used = 0;
  if (parts.size() >= 2 && parts[0].size() == 1) {
    roles.push_back({parts[0].products[0], kOProj});
    // Without a norm in front of it, the head is the one product behind down.
    const Segment& mlp = parts[1];
    const std::size_t end = mlp.active ? mlp.before_last_activation + 1 : mlp.size();
    const bool fits = end == mlp.size() || end + 1 == mlp.size();
    used = fits && mlp_roles(mlp, 0, end, roles) ? 2 : 0;
    if (used != 0 && end < mlp.size()) labels.head = mlp.products.back();
  } else if (out_and_mlp(parts[0], roles)) {
    used = 1;
  }
  if (used == 0 || !decide(roles, by_norms_)) {
    labels.head.reset();
    // The recording ends, or holds attention alone.
    if (parts[0].size() == 1) decide({{parts[0].products[0], kOProj}}, by_norms_);
    return labels;
  }
  if (labels.head) {
    decide({{*labels.head, kLmHead}}, by_norms_);
    labels.layers_end = *labels.head;
    return labels;
  }
  labels.layers_end = parts[used - 1].products.back() + 1;
  if (used < parts.size() && parts[used].size() == 1) {
    labels.head = parts[used].products[0];
    labels.layers_end = parts[used].separator;
    Token& head = tokens_[*labels.head];
    if (!head.decided() && contains(head.operators, kLmHead)) head.decide(kLmHead, by_norms_);
    return labels;
  }
  // No head was run: the last norm still belongs to no layer.
  for (std::size_t i = labels.layers_end; i < range.end; ++i) {
    if (tokens_[i].op == kNorm) {
      labels.layers_end = i;
      break;
    }
  }
  return labels;
}

}  // namespace rooftop
