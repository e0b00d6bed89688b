// Operators of PyTorch and of its extensions that are attention as a whole.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace rooftop {

struct AttentionOp {
  std::string_view text;
  // Where the extents of a 4-dimensional query stand: [b, heads, s, d], else [b, s, heads, d].
  bool heads_first;
};
inline constexpr auto kAttentionOps = std::to_array<AttentionOp>({
    {"scaled_dot_product_attention", true},
    {"_scaled_dot_product_flash_attention", true},
    {"_scaled_dot_product_efficient_attention", true},
    {"_scaled_dot_product_cudnn_attention", true},
    {"_scaled_dot_product_flash_attention_for_cpu", true},
    {"_scaled_dot_product_attention_math", true},
    {"_flash_attention_forward", false},
    {"_efficient_attention_forward", false},
    {"_cudnn_attention_forward", true},
    {"flash_attn_func", false},
    {"_flash_attn_forward", false},
    {"flash_attn_varlen_func", false},
    {"_flash_attn_varlen_forward", false},
    {"varlen_fwd", false},
    {"fwd_kvcache", false},
    {"unified_attention", false},
    {"unified_attention_with_output", false},
    {"paged_attention_v1", false},
    {"paged_attention_v2", false},
    {"flashattnfunc", false},
});

// Null where it is none. `op`: lower case, without its namespace.
inline const AttentionOp* find_attention(std::string_view op) {
  const auto it = std::find_if(kAttentionOps.begin(), kAttentionOps.end(),
                               [&](const AttentionOp& a) { return a.text == op; });
  return it == kAttentionOps.end() ? nullptr : &*it;
}

}  // namespace rooftop
