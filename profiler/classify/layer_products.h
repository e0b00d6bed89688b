// The products between two layers' attention: which of them is the output projection, which belong
// to the MLP, to the next layer's QKV, to the head.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "profiler/classify/layer_order.h"
#include "profiler/classify/token.h"

namespace rooftop {

struct BlockLabels {
  std::size_t next_layer = 0;       // first token of the next layer
  std::size_t layers_end = 0;       // where a head follows: first token behind the last layer
  std::optional<std::size_t> head;  // the head's product: a pass ends here
};

struct ExitLabels {
  std::size_t layers_end = 0;
  std::optional<std::size_t> head;
};

class LayerProducts {
 public:
  LayerProducts(std::span<Token> tokens, std::span<const ProductSize> sizes, RuleTexts& rules);

  // Between two layers of one pass, or, where a head stands between, of two passes.
  BlockLabels block(TokenRange range);
  // In front of the first layer's attention. Returns where the layer begins.
  std::size_t entry(TokenRange range);
  // Behind the last layer's attention.
  ExitLabels exit(TokenRange range);

 private:
  // Products that no norm or communication parts.
  struct Segment {
    std::vector<std::size_t> products;
    std::size_t separator = 0;  // where the separators in front of it begin
    // Activations among them, as the number of products in front of the first and the last one.
    bool active = false;
    std::size_t before_first_activation = 0;
    std::size_t before_last_activation = 0;
    bool gated = false;
    bool multiplies = false;  // something behind the activation may be its multiplication by up
    [[nodiscard]] std::size_t size() const { return products.size(); }
  };

  struct Role {
    std::size_t token;
    Operator op;
  };

  [[nodiscard]] std::vector<Segment> segments(TokenRange range) const;
  // Segments without the product that routes tokens to experts.
  std::vector<Segment> parts_of(TokenRange range);
  [[nodiscard]] Operator first_of_two(const Segment& segment, std::size_t first) const;
  // Roles of products [from, to) of a segment as an MLP, as QKV; false where they fit neither.
  bool mlp_roles(const Segment& segment, std::size_t from, std::size_t to,
                 std::vector<Role>& roles) const;
  static bool qkv_roles(std::span<const std::size_t> products, std::vector<Role>& roles);
  // A segment that holds output projection and MLP, or MLP and QKV, or all three.
  bool out_and_mlp(const Segment& segment, std::vector<Role>& roles) const;
  bool mlp_and_qkv(const Segment& segment, std::vector<Role>& roles) const;
  bool whole_layer(const Segment& segment, std::vector<Role>& roles) const;
  bool middle(std::span<const Segment> parts, std::vector<Role>& roles) const;

  // Makes the roles true, unless a launch cannot have its one: then none is.
  bool decide(const std::vector<Role>& roles, RuleTexts::Id why);

  std::span<Token> tokens_;
  std::span<const ProductSize> sizes_;
  RuleTexts::Id by_norms_;
  RuleTexts::Id by_experts_;
  RuleTexts::Id by_count_;
  bool norms_part_qkv_ = false;  // norms of Q and K stand between the three products
};

}  // namespace rooftop
