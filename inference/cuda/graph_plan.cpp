#include "inference/cuda/graph_plan.h"

#include <algorithm>

namespace rooftop::inference::cuda {

bool StepShape::operator==(const StepShape& other) const {
  const auto same = [](const SequenceRows& a, const SequenceRows& b) {
    return a.slot == b.slot && a.first_row == b.first_row && a.rows == b.rows &&
           a.length == b.length;
  };
  return batch == other.batch && rows == other.rows && most_rows == other.most_rows &&
         logit_rows == other.logit_rows && splits == other.splits &&
         split_keys == other.split_keys && std::ranges::equal(sequences, other.sequences, same);
}

GraphPlan::Decision GraphPlan::decide(const StepShape& shape) {
  Decision decision;
  const auto known =
      std::ranges::find_if(shapes_, [&](const Known& k) { return k.shape == shape; });
  if (known == shapes_.end()) {
    if (shapes_.size() == capacity_) {
      decision.evicted = shapes_.back().id;
      shapes_.pop_back();
    }
    shapes_.push_front({shape, next_id_++, false});
    return decision;
  }
  decision.work = known->recorded ? StepWork::kReplay : StepWork::kRecord;
  decision.id = known->id;
  known->recorded = true;
  shapes_.splice(shapes_.begin(), shapes_, known);
  return decision;
}

bool worth_a_graph(const StepInput& input) {
  constexpr std::int32_t kMostRowsOfASequence = 128;
  constexpr std::size_t kMostRows = 8192;
  return input.tokens.size() <= kMostRows &&
         std::ranges::all_of(input.sequences, [](const SequenceRows& s) {
           return s.length > s.rows && s.rows <= kMostRowsOfASequence;
         });
}

std::int64_t planned_length(std::int64_t longest, std::int64_t max_length) {
  std::int64_t step = 128;
  while (step * 8 <= longest) step *= 2;
  return std::min((longest + step - 1) / step * step, max_length);
}

}  // namespace rooftop::inference::cuda
