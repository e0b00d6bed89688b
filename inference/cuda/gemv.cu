// Vector-matrix products for one to eight rows, bound by reading W once. See gemv_plan.h for how
// the work is shared out.
#include "inference/cuda/gemv_products.h"

namespace rooftop::inference::cuda {
namespace gemv {
namespace {

// What a warp works on: groups first, first + step, ... below end, and of their k, batches begin_k,
// begin_k + step_k, ... A group's slices take batches in turn, so that its warps read long
// stretches of memory together.
struct Share {
  int first;
  int step;
  int end;
  int passes;  // of the whole block, for its barriers
  int slice;
  int begin_k;
  int step_k;
};

template <int kWarps, int kBatchValues, typename T>
__device__ Share share_of_warp(const Problem<T>& problem) {
  const std::int64_t groups = problem.groups;
  const int begin = static_cast<int>(groups * blockIdx.x / gridDim.x);
  Share share;
  share.end = static_cast<int>(groups * (blockIdx.x + 1) / gridDim.x);
  share.step = kWarps / problem.k_slices;
  share.first = begin + warp_of_block() / problem.k_slices;
  share.passes = (share.end - begin + share.step - 1) / share.step;
  share.slice = warp_of_block() % problem.k_slices;
  share.begin_k = share.slice * kBatchValues;
  share.step_k = problem.k_slices * kBatchValues;
  return share;
}

// Calls `visit(sum index, place in y)` for the outputs of a pair: one where gated, else two.
template <typename Product, typename T, typename Visit>
__device__ void for_outputs(const Problem<T>& problem, int group, int pair, const Visit& visit) {
  const int m = Product::x_row_of_pair(pair);
  if (lane_of_warp() >= Product::kPairLanes || m >= problem.rows) return;
  const int output = first_output<Product::kHalf>(problem, group, Product::row_of_lane());
  const std::int64_t row = static_cast<std::int64_t>(m) * problem.n;
  if (output < problem.n) visit(0, row + output);
  if (problem.epilogue == Epilogue::kSwiGlu) return;
  if (output + Product::kHalf < problem.n) visit(1, row + output + Product::kHalf);
}

// What y holds already. Read early: it comes while W does.
template <typename Product, typename T>
__device__ void read_residual(const Problem<T>& problem, int group,
                              float2 (&residual)[Product::kPairs]) {
  const T* const y = static_cast<const T*>(problem.y);
#pragma unroll
  for (int p = 0; p < Product::kPairs; ++p) {
    for_outputs<Product>(problem, group, p, [&](int i, std::int64_t at) {
      (i == 0 ? residual[p].x : residual[p].y) = gpu::to_float(y[at]);
    });
  }
}

template <typename Product, typename T>
__device__ void store(const Problem<T>& problem, int group, const float2 (&sums)[Product::kPairs],
                      const float2 (&residual)[Product::kPairs]) {
#pragma unroll
  for (int p = 0; p < Product::kPairs; ++p) {
    for_outputs<Product>(problem, group, p, [&](int i, std::int64_t at) {
      float value = i == 0 ? sums[p].x : sums[p].y;
      if (problem.epilogue == Epilogue::kStoreF32) {
        static_cast<float*>(problem.y)[at] = value;
        return;
      }
      if (problem.epilogue == Epilogue::kSwiGlu) value = value / (1.0f + expf(-value)) * sums[p].y;
      value += i == 0 ? residual[p].x : residual[p].y;
      static_cast<T*>(problem.y)[at] = gpu::from_float<T>(value);
    });
  }
}

// The sums of a block's warps, while slices of k are put together.
template <typename Product>
using WarpSums = float2[Product::kShape.warps][Product::kPairs][Product::kPairLanes];

// Replaces a slice's sums by those of its whole group. Only the first slice's are right. All
// threads must call.
template <typename Product>
__device__ void add_slices(int slices, WarpSums<Product>& shared, float2 (&sums)[Product::kPairs]) {
  const int lane = lane_of_warp();
  const int warp = warp_of_block();
  const bool has_sums = lane < Product::kPairLanes;
#pragma unroll
  for (int p = 0; p < Product::kPairs; ++p) {
    if (has_sums) shared[warp][p][lane] = sums[p];
  }
  __syncthreads();
  if (warp % slices != 0 || !has_sums) return;
  for (int s = 1; s < slices; ++s) {
#pragma unroll
    for (int p = 0; p < Product::kPairs; ++p) {
      sums[p].x += shared[warp + s][p][lane].x;
      sums[p].y += shared[warp + s][p][lane].y;
    }
  }
}

// Each warp keeps a batch of W on its way at all times: the first is asked for before x is there,
// and a group's first before the sums of the last are put together.
template <typename T, typename Product, typename X>
__global__ void __launch_bounds__(Product::kShape.warps* kWarp, Product::kShape.resident)
    gemv(Problem<T> problem) {
  constexpr int kHalf = Product::kHalf;
  constexpr int kWarps = Product::kShape.warps;
  ROOFTOP_DYNAMIC_SHARED(memory);
  ROOFTOP_SHARED(float, norm_sums, [kWarps]);
  ROOFTOP_SHARED(WarpSums<Product>, slice_sums, [2]);

  Batch<Product::kShape.chunk> batch;
  const Share share = share_of_warp<kWarps, batch.kValues>(problem);
  const int row = Product::row_of_lane();
  const int begin = share.begin_k + Product::value_of_lane();
  batch.load(problem.w, weight_rows<kHalf>(problem, share.first, row), begin,
             share.first < share.end ? problem.k : 0);

  T* staged = nullptr;
  if constexpr (X::kStaged) {
    staged = memory.take<T>(static_cast<std::size_t>(problem.rows) * problem.stride);
  }
  const X x(problem, staged, norm_sums, row);

  int group = share.first;
  for (int pass = 0; pass < share.passes; ++pass, group += share.step) {
    Product product;
    float2 residual[Product::kPairs] = {};
    if (group < share.end) {  // the same for a group's slices
      if (problem.epilogue == Epilogue::kAdd && share.slice == 0) {
        read_residual<Product>(problem, group, residual);
      }
      const WeightRows rows = weight_rows<kHalf>(problem, group, row);
      for (int k = share.begin_k, e = begin; k < problem.k; k += share.step_k) {
        product.multiply(batch, x, problem.rows, e, problem.k);
        e += share.step_k;
        if (k + share.step_k < problem.k) batch.load(problem.w, rows, e, problem.k);
      }
      if (group + share.step < share.end) {
        batch.load(problem.w, weight_rows<kHalf>(problem, group + share.step, row), begin,
                   problem.k);
      }
    }
    float2 sums[Product::kPairs];
    product.finish(sums);
    // Two sets in turn: who reads one is past the next barrier before it is written again.
    if (problem.k_slices > 1) add_slices<Product>(problem.k_slices, slice_sums[pass % 2], sums);
    if (group < share.end && share.slice == 0) store<Product>(problem, group, sums, residual);
  }
}

template <typename Product, typename X, typename T>
void start(const Problem<T>& problem, std::int32_t blocks, cudaStream_t stream) {
  gpu::Launch where;
  where.name = "gemv";
  where.grid = dim3(static_cast<unsigned>(blocks));
  where.block = dim3(static_cast<unsigned>(Product::kShape.warps * kWarp));
  if (X::kStaged) {
    where.shared_bytes =
        gpu::shared_bytes<T>(static_cast<std::size_t>(problem.rows) * problem.stride);
  }
  where.stream = stream;
  gpu::launch(where, gemv<T, Product, X>, problem);
}

template <typename T>
void start_typed(const Gemv& call, const GemvPlan& plan, cudaStream_t stream) {
  Problem<T> problem;
  problem.x = static_cast<const T*>(call.x);
  problem.norm_weight = static_cast<const T*>(call.norm_weight);
  problem.w = static_cast<const T*>(call.w);
  problem.y = call.y;
  problem.norm_eps = call.norm_eps;
  problem.rows = call.rows;
  problem.n = call.n;
  problem.k = call.k;
  problem.groups = plan.groups;
  problem.k_slices = plan.k_slices;
  problem.stride = gemv_stride(call.k);
  problem.epilogue = call.epilogue;
  constexpr int kMmaWarps = kGemvMmaShape.warps;
  if (plan.kernel == GemvKernel::kMma) {
    if (plan.staged) return start<Mma<T>, StagedX<kMmaWarps, T>>(problem, plan.blocks, stream);
    return start<Mma<T>, DirectX<kMmaWarps, T>>(problem, plan.blocks, stream);
  }
  constexpr int kDotWarps = kGemvDotShape.warps;
  if (call.rows == 1) return start<Dot<T, 1>, StagedX<kDotWarps, T>>(problem, plan.blocks, stream);
  start<Dot<T, 2>, StagedX<kDotWarps, T>>(problem, plan.blocks, stream);
}

}  // namespace
}  // namespace gemv

void launch_gemv(const Gemv& call, std::int32_t multiprocessors, cudaStream_t stream) {
  const std::int64_t weight_rows = call.epilogue == Epilogue::kSwiGlu ? 2LL * call.n : call.n;
  const GemvPlan plan = plan_gemv(call.rows, weight_rows, call.k, multiprocessors);
  if (call.dtype == DType::kBF16) {
    gemv::start_typed<gpu::bf16>(call, plan, stream);
  } else {
    gemv::start_typed<gpu::f16>(call, plan, stream);
  }
}

}  // namespace rooftop::inference::cuda
