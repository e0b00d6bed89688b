// What both kernels of the vector-matrix product are made of: reading W and x.
#pragma once

#include "inference/cuda/gemv_plan.h"
#include "inference/cuda/kernels.h"
#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::inference::cuda::gemv {

using gpu::kAllLanes;
using gpu::kWarp;

// What a kernel is started with.
template <typename T>
struct Problem {
  const T* x = nullptr;
  const T* norm_weight = nullptr;
  const T* w = nullptr;
  void* y = nullptr;
  float norm_eps = 0;
  int rows = 0;
  int n = 0;
  int k = 0;
  int groups = 0;
  int k_slices = 1;
  int stride = 0;  // of staged x
  Epilogue epilogue = Epilogue::kStore;
};

__device__ inline int warp_of_block() { return static_cast<int>(threadIdx.x) / kWarp; }
__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x) % kWarp; }

template <typename T>
__device__ inline uint4 load16(const T* from) {
  return *reinterpret_cast<const uint4*>(from);
}

// The first output whose sums a lane adds up. A group has 2 * kHalf rows of W: gate and up rows of
// kHalf outputs, or rows of 2 * kHalf outputs. A lane reads two of them, kHalf (or where gated, n)
// apart.
template <int kHalf, typename T>
__device__ inline int first_output(const Problem<T>& problem, int group, int row_of_lane) {
  return group * (problem.epilogue == Epilogue::kSwiGlu ? kHalf : 2 * kHalf) + row_of_lane;
}

// Where the two rows begin, in 16-byte loads: that takes half the registers of pointers.
struct WeightRows {
  std::uint32_t first;
  std::uint32_t second;
};

template <int kHalf, typename T>
__device__ inline WeightRows weight_rows(const Problem<T>& problem, int group, int row_of_lane) {
  const int output = first_output<kHalf>(problem, group, row_of_lane);
  // Beyond the last output its row is read again, and what comes of it is not stored.
  const int last = problem.n - 1;
  const int first = min(output, last);
  const int second =
      problem.epilogue == Epilogue::kSwiGlu ? first + problem.n : min(output + kHalf, last);
  const auto loads = static_cast<std::uint32_t>(problem.k / kGemvLaneValues);
  return {static_cast<std::uint32_t>(first) * loads, static_cast<std::uint32_t>(second) * loads};
}

// A lane's part of the next chunks of its two rows: on their way, or there.
template <int kChunk>
struct Batch {
  static constexpr int kValues = kGemvBatchChunks * kChunk;  // of a row, over the warp

  uint4 first[kGemvBatchChunks];
  uint4 second[kGemvBatchChunks];

  // From `element` on, zeros from `end` on.
  template <typename T>
  __device__ void load(const T* w, const WeightRows& rows, int element, int end) {
    const auto* const w16 = reinterpret_cast<const uint4*>(w);
#pragma unroll
    for (int c = 0; c < kGemvBatchChunks; ++c) {
      const int e = element + c * kChunk;
      const auto at = static_cast<std::uint32_t>(e) / kGemvLaneValues;
      first[c] = make_uint4(0, 0, 0, 0);
      second[c] = make_uint4(0, 0, 0, 0);
      if (e < end) {
        first[c] = gpu::load_once16(w16 + (rows.first + at));
        second[c] = gpu::load_once16(w16 + (rows.second + at));
      }
    }
  }
};

// RMSNorm as the kernel of that name rounds it: once, to T.
template <typename T>
__device__ inline uint4 normalise(const uint4& x, float scale, const uint4& weight) {
  float values[kGemvLaneValues];
  float by[kGemvLaneValues];
  gpu::unpack8<T>(x, values);
  gpu::unpack8<T>(weight, by);
#pragma unroll
  for (int i = 0; i < kGemvLaneValues; ++i) values[i] = values[i] * scale * by[i];
  return gpu::pack8<T>(values);
}

// Which part of x a thread brings: each row is one to some warps', so that all rows' loads are on
// their way together.
struct XPart {
  int warps_of_row;
  int row;
  int begin;
  int step;
};

template <int kWarps, typename T>
__device__ inline XPart x_part(const Problem<T>& problem) {
  XPart part;
  part.warps_of_row = kWarps / problem.rows;
  part.row = warp_of_block() / part.warps_of_row;
  part.begin = (warp_of_block() % part.warps_of_row * kWarp + lane_of_warp()) * kGemvLaneValues;
  part.step = part.warps_of_row * kWarp * kGemvLaneValues;
  if (part.row >= problem.rows) part.begin = problem.k;  // a warp too many
  return part;
}

// Calls `visit(e, value)` for the pieces of `row` (of k values) that this thread brings: loads of
// several are on their way together.
template <typename T, typename Visit>
__device__ inline void for_pieces(const T* row, const XPart& part, int k, const Visit& visit) {
  constexpr int kLoads = 4;
  for (int first = part.begin; first < k; first += kLoads * part.step) {
    uint4 pieces[kLoads];
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const int e = first + i * part.step;
      pieces[i] = e < k ? load16(row + e) : make_uint4(0, 0, 0, 0);
    }
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const int e = first + i * part.step;
      if (e < k) visit(e, pieces[i]);
    }
  }
}

// Each warp's part of its row's sum of squares, into sums[warp]; calls `keep(e, piece)` besides.
// All threads must call; a barrier must follow.
template <typename T, typename Keep>
__device__ inline void read_x(const Problem<T>& problem, const XPart& part, float* sums,
                              const Keep& keep) {
  float sum = 0;
  for_pieces(problem.x + part.row * problem.k, part, problem.k, [&](int e, const uint4& piece) {
    keep(e, piece);
    float values[kGemvLaneValues];
    gpu::unpack8<T>(piece, values);
#pragma unroll
    for (int i = 0; i < kGemvLaneValues; ++i) sum = fmaf(values[i], values[i], sum);
  });
  sum = gpu::warp_sum(sum);
  if (lane_of_warp() == 0) sums[warp_of_block()] = sum;
}

// 1 / rms of a row, from those sums.
template <typename T>
__device__ inline float row_scale(const Problem<T>& problem, const XPart& part, int row,
                                  const float* sums) {
  float sum = 0;
  for (int w = 0; w < part.warps_of_row; ++w) sum += sums[row * part.warps_of_row + w];
  return rsqrtf(sum / static_cast<float>(problem.k) + problem.norm_eps);
}

// x in shared memory, normalised where wanted.
template <int kWarps, typename T>
class StagedX {
 public:
  static constexpr bool kStaged = true;

  // All threads must call.
  __device__ StagedX(const Problem<T>& problem, T* staged, float* sums, int /*m*/)
      : staged_(staged), stride_(problem.stride) {
    const XPart part = x_part<kWarps>(problem);
    T* const row = staged + part.row * stride_;
    read_x(problem, part, sums,
           [&](int e, const uint4& piece) { *reinterpret_cast<uint4*>(row + e) = piece; });
    if (problem.norm_weight != nullptr) {
      __syncthreads();
      const float scale = row_scale(problem, part, min(part.row, problem.rows - 1), sums);
      // Each thread normalises what it has put there itself.
      for_pieces(problem.norm_weight, part, problem.k, [&](int e, const uint4& weight) {
        *reinterpret_cast<uint4*>(row + e) = normalise<T>(load16(row + e), scale, weight);
      });
    }
    __syncthreads();
  }

  __device__ uint4 read(int m, int e) const { return load16(staged_ + (m * stride_ + e)); }

 private:
  const T* staged_;
  int stride_;
};

// x where it is, for what shared memory does not hold: L1 keeps what the block's warps share.
template <int kWarps, typename T>
class DirectX {
 public:
  static constexpr bool kStaged = false;

  // Reads row `m` only. All threads must call.
  __device__ DirectX(const Problem<T>& problem, T* /*staged*/, float* sums, int m)
      : x_(problem.x), norm_weight_(problem.norm_weight), k_(problem.k) {
    if (norm_weight_ == nullptr) return;
    const XPart part = x_part<kWarps>(problem);
    read_x(problem, part, sums, [](int, const uint4&) {});
    __syncthreads();
    scale_ = row_scale(problem, part, min(m, problem.rows - 1), sums);
  }

  __device__ uint4 read(int m, int e) const {
    const uint4 packed = load16(x_ + (m * k_ + e));
    if (norm_weight_ == nullptr) return packed;
    return normalise<T>(packed, scale_, load16(norm_weight_ + e));
  }

 private:
  const T* x_;
  const T* norm_weight_;
  int k_;
  float scale_ = 0;
};

}  // namespace rooftop::inference::cuda::gemv
