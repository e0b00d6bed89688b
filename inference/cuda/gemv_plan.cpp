#include "inference/cuda/gemv_plan.h"

#include <algorithm>

namespace rooftop::inference::cuda {
namespace {

template <typename Integer>
Integer divide_up(Integer a, Integer b) {
  return (a + b - 1) / b;
}

// The fewest slices that keep enough warps busy, since slices must meet at a barrier. A slice of
// less than a batch would have fewer loads on their way.
std::int32_t choose_slices(std::int32_t groups_of_block, std::int32_t warps, std::int32_t batches) {
  constexpr double kEnough = 0.8;
  std::int32_t best = 1;
  double best_busy = 0;
  for (std::int32_t slices = 1; slices <= warps && slices <= std::max(batches, 1); slices *= 2) {
    const std::int32_t at_once = warps / slices;
    const std::int32_t passes = divide_up(groups_of_block, at_once);
    const double busy = static_cast<double>(groups_of_block) / (passes * at_once);
    if (busy > best_busy) {
      best = slices;
      best_busy = busy;
    }
    if (busy >= kEnough) break;
  }
  return best;
}

}  // namespace

GemvPlan plan_gemv(std::int32_t rows, std::int64_t weight_rows, std::int32_t k,
                   std::int32_t multiprocessors) {
  const std::size_t x_bytes =
      static_cast<std::size_t>(rows) * static_cast<std::size_t>(gemv_stride(k)) * 2;
  GemvPlan plan;
  plan.staged = x_bytes <= kGemvMostStaged;
  plan.kernel = plan.staged && rows <= kGemvMostDotRows ? GemvKernel::kDot : GemvKernel::kMma;

  const GemvShape shape = gemv_shape(plan.kernel);
  std::int32_t resident = shape.resident;
  if (plan.staged) {
    // All blocks' x must fit into the smallest shared memory at once.
    const std::size_t fitting = kGemvMostStaged / x_bytes;
    resident = static_cast<std::int32_t>(std::min<std::size_t>(resident, fitting));
  }
  plan.groups = static_cast<std::int32_t>(divide_up<std::int64_t>(weight_rows, shape.group_rows));
  plan.blocks = std::min(plan.groups, multiprocessors * resident);

  const std::int32_t chunks = divide_up(k, shape.chunk);
  plan.k_slices =
      choose_slices(divide_up(plan.groups, plan.blocks), shape.warps, chunks / kGemvBatchChunks);
  plan.slice_k = divide_up(chunks, plan.k_slices) * shape.chunk;
  return plan;
}

}  // namespace rooftop::inference::cuda
