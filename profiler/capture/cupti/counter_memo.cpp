#include "profiler/capture/cupti/counter_memo.h"

#include <algorithm>

namespace rooftop::capture {
namespace {

constexpr int kGiveUpAfter = 4;           // observations that differed
constexpr std::size_t kMost = 1U << 16U;  // kernels remembered

bool work_follows_from_rows(std::uint32_t op) {
  switch (op) {
    case nvtx::kQkv:
    case nvtx::kQ:
    case nvtx::kK:
    case nvtx::kV:
    case nvtx::kGateUp:
    case nvtx::kGateUpAct:
    case nvtx::kGate:
    case nvtx::kUp:
    case nvtx::kDown:
    case nvtx::kOProj:
    case nvtx::kLmHead:
    case nvtx::kEmbed:
    case nvtx::kNorm:
    case nvtx::kRope:
    case nvtx::kActivation:
    case nvtx::kResidual:
      return true;
    default:
      return false;
  }
}

}  // namespace

StepShape shape_of(const nvtx::StepPayload& step) {
  const std::uint64_t b = step.batch;
  const std::uint64_t q = step.query_tokens;
  const std::uint64_t l = std::max(step.length, step.query_tokens);
  const bool alike = step.total_query_tokens == 0;
  return {.phase = step.phase,
          .batch = step.batch,
          .query_tokens = step.query_tokens,
          .length = static_cast<std::uint32_t>(l),
          .total_query_tokens = alike ? b * q : step.total_query_tokens,
          .total_keys = alike ? b * l : step.total_keys,
          .attention_pairs = alike ? b * q * l : step.attention_pairs,
          .logit_rows = step.logit_rows != 0 ? step.logit_rows : step.batch};
}

StepShape shape_for(std::uint32_t op, const StepShape& step) {
  if (!work_follows_from_rows(op)) return step;
  StepShape rows;
  rows.total_query_tokens = step.total_query_tokens;
  rows.logit_rows = step.logit_rows;
  return rows;
}

void FlopMemo::observe(const LaunchSignature& launch, std::size_t configuration,
                       std::span<const double> values) {
  const auto it = entries_.find({launch, configuration});
  if (it == entries_.end()) {
    if (entries_.size() < kMost) {
      entries_.emplace(Key{launch, configuration}, Entry{.values = {values.begin(), values.end()}});
    }
    return;
  }
  Entry& entry = it->second;
  if (std::ranges::equal(entry.values, values)) {
    entry.settled = entry.disagreements < kGiveUpAfter;
    return;
  }
  // A kernel that was known and now did something else depends on what its signature does not say.
  entry.disagreements = entry.settled ? kGiveUpAfter : entry.disagreements + 1;
  entry.settled = false;
  entry.values.assign(values.begin(), values.end());
}

const std::vector<double>* FlopMemo::find(const LaunchSignature& launch,
                                          std::size_t configuration) const {
  const auto it = entries_.find({launch, configuration});
  return it != entries_.end() && it->second.settled ? &it->second.values : nullptr;
}

bool FlopMemo::wants(const LaunchSignature& launch, std::size_t configuration) const {
  const auto it = entries_.find({launch, configuration});
  if (it == entries_.end()) return entries_.size() < kMost;
  return !it->second.settled && it->second.disagreements < kGiveUpAfter;
}

}  // namespace rooftop::capture
