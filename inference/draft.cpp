#include "inference/draft.h"

#include <algorithm>
#include <cstddef>

namespace rooftop::inference {
namespace {

constexpr std::size_t kLongestMatch = 3;

}  // namespace

std::vector<std::int32_t> guess_next(std::span<const std::int32_t> history, std::int64_t count) {
  std::vector<std::int32_t> text(history.begin(), history.end());
  const std::size_t size = text.size();
  text.resize(size + static_cast<std::size_t>(count), history.back());
  for (std::size_t n = std::min(kLongestMatch, size - 1); n > 0; --n) {
    for (std::size_t end = size - 1; end >= n; --end) {
      if (!std::ranges::equal(history.subspan(end - n, n), history.last(n))) continue;
      for (std::size_t i = size; i < text.size(); ++i) text[i] = text[end + i - size];
      return {text.begin() + static_cast<std::ptrdiff_t>(size), text.end()};
    }
  }
  return {text.begin() + static_cast<std::ptrdiff_t>(size), text.end()};
}

}  // namespace rooftop::inference
