#include "profiler/classify/step_finder.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace rooftop {

TokenRange trimmed(const LayerRun& run, std::span<const AttentionGroup> groups,
                   std::span<const Token> tokens) {
  TokenRange range = run.tokens;
  const std::size_t attention = groups[run.first_group].tokens.begin;
  const std::size_t last = groups[run.first_group + run.groups - 1].tokens.end - 1;
  const std::int64_t far = (tokens[last].end - tokens[attention].begin).ns / 2;
  for (std::size_t i = attention; i > range.begin; --i) {
    // Products in front of the embedding are another pass's.
    const bool embeds = tokens[i].op == Operator::kEmbed &&
                        std::any_of(tokens.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                    tokens.begin() + static_cast<std::ptrdiff_t>(i),
                                    [](const Token& token) { return token.is_product(); });
    if (embeds || (tokens[i].begin - tokens[i - 1].end).ns > far) {
      range.begin = i;
      break;
    }
  }
  for (std::size_t i = last + 1; i < range.end; ++i) {
    if ((tokens[i].begin - tokens[i - 1].end).ns > far) {
      range.end = i;
      break;
    }
  }
  return range;
}

std::vector<TokenRange> marked_ranges(std::span<const Token> tokens) {
  std::vector<TokenRange> ranges;
  std::uint32_t marker = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].marker == 0) continue;
    if (tokens[i].marker != marker) ranges.push_back({i, i});
    marker = tokens[i].marker;
    ranges.back().end = i + 1;
  }
  return ranges;
}

namespace {

// Kernels on other streams may end behind the last to begin.
Timestamp end_of(std::span<const Token> tokens, TokenRange range) {
  Timestamp end = tokens[range.begin].end;
  for (std::size_t i = range.begin; i < range.end; ++i) end = std::max(end, tokens[i].end);
  return end;
}

void close_short_waits(std::vector<Step>& steps) {
  for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
    const Duration wait = steps[i + 1].begin - steps[i].end;
    if (wait.ns > 0 && wait <= steps[i].end - steps[i].begin) steps[i].end = steps[i + 1].begin;
  }
}

}  // namespace

std::vector<Step> merge_passes(std::span<std::vector<Pass>> devices,
                               std::span<const std::span<const Token>> tokens) {
  std::vector<Step> steps;
  const bool together = std::all_of(
      devices.begin(), devices.end(),
      [&](const std::vector<Pass>& passes) { return passes.size() == devices.front().size(); });
  for (std::size_t d = 0; d < devices.size(); ++d) {
    for (std::size_t i = 0; i < devices[d].size(); ++i) {
      Pass& pass = devices[d][i];
      const Timestamp begin = tokens[d][pass.tokens.begin].begin;
      const Timestamp end = end_of(tokens[d], pass.tokens);
      if (d > 0 && together) {
        pass.index = static_cast<std::uint32_t>(i);
        steps[i].begin = std::min(steps[i].begin, begin);
        steps[i].end = std::max(steps[i].end, end);
        continue;
      }
      pass.index = static_cast<std::uint32_t>(steps.size());
      pass.step.begin = begin;
      pass.step.end = end;
      steps.push_back(pass.step);
    }
  }
  std::vector<std::uint32_t> order(steps.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(steps[a].begin, steps[a].end, a) < std::tie(steps[b].begin, steps[b].end, b);
  });
  std::vector<Step> sorted;
  std::vector<std::uint32_t> place(steps.size());
  for (const std::uint32_t i : order) {
    place[i] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(steps[i]);
  }
  for (std::vector<Pass>& passes : devices) {
    for (Pass& pass : passes) pass.index = place[pass.index];
  }
  close_short_waits(sorted);
  return sorted;
}

void prepare_products(std::span<Token> tokens) {
  const OperatorSet either = kProducts | Operator::kRope;
  if (std::any_of(tokens.begin(), tokens.end(),
                  [](const Token& token) { return token.is_product(); })) {
    return;
  }
  for (Token& token : tokens) {
    if (!token.companion && !token.decided() && (token.operators & ~either) == 0) {
      token.operators &= kProducts;
    }
  }
}

}  // namespace rooftop
