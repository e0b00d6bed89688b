#include "tools/import/torch_nvtx.h"

#include <algorithm>

#include "tools/import/pytorch_events.h"

namespace rooftop::import {
namespace {

constexpr std::string_view kSizes = ", sizes = [";

// Text of a list of lists of numbers, from its first bracket on.
std::string shapes_of(std::string_view text) {
  InputShapes shapes;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '[') {
      shapes.open_list();
      ++depth;
    } else if (c == ']') {
      shapes.close_list();
      if (--depth == 0) break;
    } else if (c >= '0' && c <= '9') {
      const std::size_t end = std::min(text.find_first_not_of("0123456789", i), text.size());
      shapes.add_size(text.substr(i, end - i));
      i = end - 1;
    } else if (c != ',' && c != ' ') {
      break;
    }
  }
  return shapes.text();
}

}  // namespace

std::optional<TorchNvtxName> parse_torch_nvtx(std::string_view text) {
  const std::size_t end =
      std::min({text.find(", seq = "), text.find(", op_id = "), text.find(kSizes)});
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  TorchNvtxName out{.name = text.substr(0, end), .shapes = {}};
  const std::size_t sizes = text.find(kSizes, end);
  if (sizes != std::string_view::npos) {
    out.shapes = shapes_of(text.substr(sizes + kSizes.size() - 1));
  }
  return out;
}

}  // namespace rooftop::import
