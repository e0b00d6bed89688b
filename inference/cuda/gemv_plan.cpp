#include "inference/cuda/gemv_plan.h"

#include <algorithm>

namespace rooftop::inference::cuda {
namespace {

template <typename Integer>
Integer divide_up(Integer a, Integer b) {
  return (a + b - 1) / b;
}

// The fewest slices that keep enough of a block's warps busy, since slices must meet at a barrier.
// A slice of less than a batch would have fewer loads on their way.
std::int32_t choose_slices(const GemvPlan& plan, std::int32_t warps, std::int32_t batches,
                           double enough_busy) {
  const std::int32_t most_groups = divide_up(plan.groups, plan.blocks);
  const double mean_groups = static_cast<double>(plan.groups) / plan.blocks;
  std::int32_t best = 1;
  double best_busy = 0;
  for (std::int32_t slices = 1; slices <= warps && slices <= std::max(batches, 1); slices *= 2) {
    const std::int32_t at_once = warps / slices;
    const double busy = mean_groups / (divide_up(most_groups, at_once) * at_once);
    if (busy > best_busy) {
      best = slices;
      best_busy = busy;
    }
    if (busy >= enough_busy) break;
  }
  return best;
}

}  // namespace

GemvPlan plan_gemv(std::int32_t rows, std::int64_t weight_rows, std::int32_t k,
                   std::int32_t multiprocessors) {
  const std::size_t x_bytes =
      static_cast<std::size_t>(rows) * static_cast<std::size_t>(gemv_stride(k)) * 2;
  // Blocks whose x fits into the smallest shared memory at once.
  const auto fitting = static_cast<std::int32_t>(kGemvMostStaged / x_bytes);
  GemvPlan plan;
  // One small block alone would have too few bytes on their way.
  plan.kernel = rows <= kGemvMostDotRows && fitting >= 2 ? GemvKernel::kDot : GemvKernel::kMma;
  plan.staged = fitting >= 1;
  const GemvShape shape = gemv_shape(plan.kernel);
  const std::int32_t resident = plan.staged ? std::min(shape.resident, fitting) : shape.resident;
  plan.groups = static_cast<std::int32_t>(divide_up<std::int64_t>(weight_rows, shape.group_rows));
  plan.blocks = std::min(plan.groups, multiprocessors * resident);

  const std::int32_t batches = k / (shape.chunk * kGemvBatchChunks);
  constexpr double kEnoughWarps = 13;  // of a multiprocessor: 52 KB
  plan.k_slices =
      choose_slices(plan, shape.warps, batches, kEnoughWarps / (resident * shape.warps));
  return plan;
}

}  // namespace rooftop::inference::cuda
