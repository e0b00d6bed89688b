// Names that PyTorch's emit_nvtx() gives its ranges: "aten::mm, seq = 12, op_id = 34, sizes = [[16,
// 1024], [1024, 64]]".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rooftop::import {

struct TorchNvtxName {
  std::string_view name;
  std::string shapes;  // as ScopeRecord::args has them
};

// None for a name of another kind.
std::optional<TorchNvtxName> parse_torch_nvtx(std::string_view text);

}  // namespace rooftop::import
